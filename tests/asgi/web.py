"""uvicorn on a thread, on a free port, with the application under test inside."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from pushery.asgi import PusheryApp
from tests.support.server import DEADLINE_S, wait_until

ADMIN = ("admin", "correct horse")


@dataclass(frozen=True)
class Site:
    """Where the web server is."""

    port: int

    @property
    def url(self) -> str:
        """http://host:port"""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """ws://host:port"""
        return f"ws://127.0.0.1:{self.port}"

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request on a connection of its own."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=DEADLINE_S) as client:
            return client.request(method, path, **options)

    def register(self, prefix: str = "", **settings: Any) -> Any:
        """Register an app; returns what the admin API says of it."""
        answer = self.request(
            "POST", f"{prefix}/api/admin/apps", json={"name": "shop", "settings": settings}, auth=ADMIN
        )
        assert answer.status_code == 201, answer.text
        return answer.json()


def mounted(directory: Path, **settings: Any) -> PusheryApp:
    """An application with a registry in this directory."""
    chosen: dict[str, Any] = {"auth_account": ADMIN[0], "auth_password": ADMIN[1], "close_timeout": 1.0, **settings}
    return PusheryApp(sqldir=str(directory / "apps.sqlite"), **chosen)


@contextmanager
def serving(application: Any, **options: Any) -> Iterator[Site]:
    """Serve it until the block ends."""
    config = uvicorn.Config(application, host="127.0.0.1", port=0, log_config=None, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive(), "uvicorn to start")
    assert server.started, "uvicorn did not start"
    try:
        yield Site(int(server.servers[0].sockets[0].getsockname()[1]))
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
