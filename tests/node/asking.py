"""What a dialect asks of a node in these tests, and the replies that tell what came of it."""

from collections.abc import Awaitable, Callable

from pushery.core.apps import App
from pushery.core.effects import Publish, RegisterApp, UnregisterApp
from pushery.core.exchange import Reply
from pushery.core.patterns import PatternError
from pushery.core.publications import (
    Publication,
)
from pushery.node import Node

KEY = "k" * 32
OTHER = "o" * 32


def text(content: str, pattern: str | None = None, key: str = KEY) -> Publication:
    """A message."""
    return Publication(key, content.encode(), pattern)


def count_reply(total: int) -> Reply:
    """A reply that says the total."""
    return Reply(200, str(total).encode())


def pattern_reply(error: PatternError) -> Reply:
    """A reply that says the position."""
    return Reply(400, str(error.position).encode())


def limit_reply(limit: int) -> Reply:
    """A reply that says the limit."""
    return Reply(429, str(limit).encode())


def push(node: Node, content: str, pattern: str | None = None, key: str = KEY) -> Reply | Awaitable[Reply]:
    """What a push by HTTP becomes."""
    return node.perform(Publish(text(content, pattern, key), count_reply, pattern_reply, limit_reply))


async def later(outcome: Reply | Awaitable[Reply]) -> Reply:
    """The reply of something that takes time."""
    assert not isinstance(outcome, Reply)
    return await outcome


def register(answer: Callable[[App], Reply] = lambda app: Reply(200, app.key.encode())) -> RegisterApp:
    """A request for an app."""
    return RegisterApp("test", "scott", "760804", "203.0.113.9:4711", answer)


def unregister(key: str = KEY) -> UnregisterApp:
    """A request to remove an app; the reply's status says whether it was there."""
    return UnregisterApp(key, lambda was_there: Reply(200 if was_there else 404))
