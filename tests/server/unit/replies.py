"""Requests that a backend sends on a connection in memory, and the replies that it reads."""

import json
import re
from collections.abc import Mapping

from pushery.core.effects import Outcome, Route
from pushery.core.exchange import Reply, Request
from pushery.node import Node
from pushery.server.router import Router
from tests.node.fakes import turns, until
from tests.server.unit.memory import KEY, SUPER_AUTH, Scene, request

APPS = request("GET", "/api/app-list/10/1", SUPER_AUTH)
NOTHING = request("GET", "/nothing")
UNREGISTER = request("DELETE", f"/api/{KEY}/unregister", SUPER_AUTH)


def replies(received: bytes) -> list[tuple[int, bytes]]:
    """Status and body of every reply in what a client received."""
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        size = int(length[1]) if length else 0
        found.append((int(head.split()[1]), rest[:size]))
        received = rest[size:]
    return found


def statuses(received: bytes) -> list[int]:
    """The status of every reply."""
    return [status for status, _ in replies(received)]


def code_of(body: bytes) -> str:
    """The code of the error that a body is."""
    code: str = json.loads(body)["error"]["code"]
    return code


async def answered(scene: Scene) -> None:
    """Wait for all that takes time."""
    await until(lambda: not scene.shared.exchanges)
    await turns(2)


def fixed(handle: Reply | Exception, path: str = "/{name}") -> Scene:
    """A server with one route that answers with this, or fails."""

    def answer(request: Request, params: Mapping[str, str]) -> Outcome:
        if isinstance(handle, Exception):
            raise handle
        return handle

    def router(node: Node) -> Router:
        return Router([Route("GET", path, answer, "Answer.")])

    return Scene(router=router)
