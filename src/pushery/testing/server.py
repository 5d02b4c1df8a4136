"""A real server on a thread of its own, with its own event loop and a registry that is gone afterwards.

On a thread, not in a process: it is there in a twentieth of a second, what is pushed can be looked at where it passes,
and a debugger or a frozen clock of the test's reaches it too. The program under test talks to it over real sockets
either way. Invariant: what the test's thread asks for is done on the server's.
"""

import asyncio
import secrets
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import structlog
import uvloop

from pushery.app import Host
from pushery.app.embedded import Server
from pushery.core.apps import App
from pushery.testing.account import TestingApp
from pushery.testing.clients import ChannelClient, TagClient
from pushery.testing.recorder import Recorder, Tap

_SETTINGS: Final[dict[str, object]] = {
    "listen": "127.0.0.1:0",
    "shutdown_timeout": 1.0,  # what a test has left open is not waited for
    "webhook_private_addresses": True,  # the backend under test is on this machine
    "auth_failures_per_minute": 0,  # a test of wrong credentials must not shut the next one out
}
_PATIENCE_S: Final = 30.0
"""How long the test waits for the server to do something; it means that the server hangs."""

T = TypeVar("T")


def run_server(**settings: object) -> "RunningServer":
    """A server with these settings of the server, on a free port of 127.0.0.1: `with run_server() as server`.

    Entering raises StartError; wrong settings raise ConfigError here.
    """
    return RunningServer(**settings)


class RunningServer:
    """A context manager: entering it starts the server, leaving it stops it."""

    def __init__(self, **settings: object) -> None:
        self.directory = Path(tempfile.gettempdir(), f"pushery-{secrets.token_hex(8)}")
        """Where the registry is while it runs."""
        self._tap = Tap()
        chosen: dict[str, Any] = {"sqldir": str(self.directory / "apps.sqlite")} | _SETTINGS | settings
        self._server = Server(host=Host(owns_process=False, bus=self._tap), **chosen)
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, name="pushery", daemon=True)
        self._stopping: asyncio.Event | None = None
        self._configured_logs = False
        self._default: TestingApp | None = None

    def start(self) -> Self:
        """Start, and return once it listens. Raises StartError."""
        self.directory.mkdir(mode=0o700)
        self._configured_logs = _log_where_tests_look()
        self._thread.start()
        try:
            self._loop = self._started.result(_PATIENCE_S)
        except BaseException:
            if self._started.done():  # with nothing more to come
                self._thread.join(_PATIENCE_S)
            self._clean_up()
            raise
        return self

    def stop(self) -> None:
        """Close all sockets and end the thread."""
        if self._stopping is not None and self._thread.is_alive():
            self._started.result(_PATIENCE_S).call_soon_threadsafe(self._stopping.set)
            self._thread.join(_PATIENCE_S)
        self._clean_up()

    def _clean_up(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._configured_logs:
            structlog.reset_defaults()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it is, "http://127.0.0.1:41893"."""
        return self._server.url

    @property
    def host(self) -> str:
        """Of that, the host."""
        return self._server.settings.address.host

    @property
    def port(self) -> int:
        """Of that, the port."""
        return self._server.port

    @property
    def auth(self) -> tuple[str, str]:
        """The super admin's account and password."""
        return self._server.settings.auth_account, self._server.settings.auth_password

    def app(
        self, name: str = "test", *, app_key: str = "", app_id: str = "", app_secret: str = "", **settings: object
    ) -> TestingApp:
        """Register an app, with the key, id and secret that are given and drawn ones for the rest.

        `settings` are settings of the app, such as `client_events=True`. Raises Refused.
        """
        kept: dict[str, Any] = {"app_key": app_key, "app_id": app_id, "app_secret": app_secret} | settings
        return self._known(self._call(self._server.register_app(name, **kept)))

    @property
    def default_app(self) -> TestingApp:
        """The app that is meant where none is named: registered when it is first needed, with client events."""
        if self._default is None:
            self._default = self.app(client_events=True)
        return self._default

    def connect(self, tag: str, app: TestingApp | None = None) -> TagClient:
        """A client with a tag, counted in when this returns."""
        return TagClient(app or self.default_app, tag)

    def subscribe(self, *channels: str, app: TestingApp | None = None, user_id: str = "1") -> ChannelClient:
        """A Pusher client that is subscribed to these channels, on presence channels as this user."""
        client = ChannelClient(app or self.default_app)
        for channel in channels:
            client.subscribe(channel, user_id)
        return client

    def pusher_client(self, app: TestingApp | None = None) -> Any:
        """The official library's client (`pip install pusher`) for an app. Raises ModuleNotFoundError without it."""
        import pusher  # not ours to need

        told = app or self.default_app
        return pusher.Pusher(told.id, told.key, told.secret, ssl=False, host=told.host, port=told.port)

    def push(self, text: str, *, pattern: str | None = None, app: TestingApp | None = None) -> int:
        """Push as a backend would; returns to how many sockets. Raises Refused."""
        return self._call(self._server.push((app or self.default_app).key, text, pattern=pattern))

    def trigger(self, channels: str | list[str], event: str, data: object, app: TestingApp | None = None) -> int:
        """Publish an event as a backend would; returns to how many sockets. Raises Refused."""
        return self._call(self._server.trigger((app or self.default_app).key, channels, event, data))

    @contextmanager
    def record(self, app: TestingApp | None = None) -> Iterator[Recorder]:
        """Record what is pushed while the block runs: to one app, or to all."""
        recorder = Recorder(app.key if app else "")
        self._tap.add(recorder)
        try:
            yield recorder
        finally:
            self._tap.remove(recorder)

    def forget(self, app: TestingApp) -> None:
        """Unregister an app; its clients are closed (4001)."""
        self._call(self._server.unregister_app(app.key))
        if self._default == app:
            self._default = None

    def reset(self) -> None:
        """Forget all apps, and with them their clients, channels and whatever these keep."""
        for app in self._server.apps:
            self._call(self._server.unregister_app(app))
        self._default = None

    def _known(self, app: App) -> TestingApp:
        return TestingApp(
            app.name, app.id, app.key, app.secret, (app.auth_account, app.auth_password), self.host, self.port
        )

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            await self._server.start()
        except BaseException as error:
            self._started.set_exception(error)
            return
        stopping = self._stopping = asyncio.Event()
        self._started.set_result(asyncio.get_running_loop())
        await stopping.wait()
        await self._server.stop()


def _log_where_tests_look() -> bool:
    """Log through `logging`, which pytest shows with a test that fails, unless the host has said how to log.

    Left alone, structlog prints to the standard output that there was when it was imported: into the middle of what a
    test captures, or to a file that is closed by now.
    """
    if structlog.is_configured():
        return False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["event"], bool_as_flag=False),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return True
