"""A worker with apps, as the tests of webhooks need it."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pushery.core.apps import App, Directory, KeyPair
from pushery.core.appsettings import AppSettings, Webhook
from pushery.core.hookevents import HookEvent
from pushery.node.system import SystemClock
from pushery.workers import HookTraces, WebhookOptions, WebhookWorker

QUICK: dict[str, Any] = {
    "hold_back_s": 0.05,
    "return_s": 0.1,
    "count_s": 0.05,
    "timeout_s": 5.0,
    "retry_first_s": 0.02,
    "retry_most_s": 0.05,
    "private_addresses": True,
}
"""Times that a test can wait for. Conditions are waited for, never times."""


def an_app(*hooks: Webhook, number: int = 1, batch: bool = False, secret: str = "secret") -> App:
    """An app with webhooks."""
    key = f"key{number}"
    return App(
        id=str(number),
        key=key,
        secret=secret,
        name="test",
        auth_account="a",
        auth_password="b",
        request_ip="127.0.0.1:1",
        registered_ms=0,
        settings=AppSettings(webhooks=hooks, batch_webhooks=batch),
        keys=(KeyPair(key=key, secret=secret), KeyPair(key=f"{key}-new", secret="newer")),
    )


class Clock(SystemClock):
    """The real clocks, of which one can be put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s

    def wall_ms(self) -> int:
        return super().wall_ms() + int(self.ahead_s * 1000)


class World:
    """A worker, its apps and its clock; the calling thread is the server's."""

    def __init__(self, directory: Path, *apps: App, traces: HookTraces | None = None, **options: Any) -> None:
        self.sqldir = str(directory / "apps.sqlite")
        self.directory = Directory(apps)
        self.clock = Clock()
        self.options = WebhookOptions(**{**QUICK, **options})
        self.worker = WebhookWorker(
            self.sqldir, self.directory, self.clock, self.options, chance=lambda: 0.5, traces=traces
        )

    def happened(self, app: App, *events: HookEvent) -> None:
        """Tell the worker."""
        for event in events:
            self.worker.happened(app, event)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop in order."""
        asyncio.run(self.worker.stop(timeout_s))


@contextlib.contextmanager
def world(directory: Path, *apps: App, **options: Any) -> Iterator[World]:
    """A world whose worker runs."""
    made = World(directory, *apps, **options)
    made.worker.start()
    try:
        yield made
    finally:
        made.stop()


def occupied(channel: str) -> HookEvent:
    return HookEvent("channel_occupied", channel=channel)


def vacated(channel: str) -> HookEvent:
    return HookEvent("channel_vacated", channel=channel)


def added(channel: str, user: str) -> HookEvent:
    return HookEvent("member_added", channel=channel, user_id=user)


def removed(channel: str, user: str) -> HookEvent:
    return HookEvent("member_removed", channel=channel, user_id=user)


def said(channel: str, data: str) -> HookEvent:
    return HookEvent("client_event", channel=channel, event="client-x", data=data, socket_id="1.2")
