"""What a real server shows: the routes behind its door, and what it answers to a scrape.

Starts one in this process, in a directory that is gone afterwards, and sends nothing over the network. Invariant: the
tables come from the composition root, so a route that somebody adds there is in them.
"""

import asyncio
import tempfile
from functools import cache
from pathlib import Path

import msgspec

from pushery.app.application import Application, Host
from pushery.config import Settings
from pushery.core.effects import Route
from pushery.core.exchange import Reply, Request


class Surface(msgspec.Struct, frozen=True):
    """`routes` in the order of the composition root; `metrics` in the text format of Prometheus."""

    routes: tuple[Route, ...]
    metrics: str


@cache
def surface() -> Surface:
    """What the server shows with its default settings, and with metrics of each app."""
    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(_look(Path(directory)))


async def _look(directory: Path) -> Surface:
    settings = Settings(
        auth_account="admin",
        auth_password="of nobody",  # noqa: S106  # of a server that lives for a moment, and listens nowhere
        sqldir=str(directory / "appdata.sqlite"),
        metrics_per_app=True,
    )
    application = Application(settings, Host(owns_process=False, listens=False))
    await application.start()
    try:
        front = application.front
        scraped = front.answer(Request("GET", "/metrics", "", {}, b""))
        assert isinstance(scraped, Reply)
        return Surface(front._router.routes, scraped.body.decode())
    finally:
        await application.stop()
