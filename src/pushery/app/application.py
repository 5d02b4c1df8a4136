"""One server from start to stop: its addresses, its certificate, its registry, and the parts put together.

It reads no configuration file and handles no signal; `run` does. Invariant: what cannot be had is an error at the
start that says so in one line, never a silent fall-back.
"""

import asyncio
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from pushery.app import options, tls
from pushery.app.assembly import Assembly
from pushery.app.doors import Doors, DoorsError, cannot_listen
from pushery.app.system import descriptor_limit, raise_descriptor_limit
from pushery.config import Address, Settings, check
from pushery.core import codes
from pushery.core.effects import Reloaded
from pushery.core.ports import Bus, StorageError
from pushery.core.stats import Stats
from pushery.node.registry import Registry
from pushery.node.system import SystemClock
from pushery.server.door import Door
from pushery.storage import open_app_store
from pushery.workers import ConnectHookWorker, WebhookWorker

if TYPE_CHECKING:
    from pushery.app.telemetry import Tracing

log = structlog.get_logger("pushery.app")

_FLUSH_TRACES_S = 2.0
"""How long a stop waits for the last traces to go out."""

_FLUSH_WEBHOOKS_S = 5.0
"""How long a stop waits for events to reach the disk and for requests that are under way."""


class StartError(Exception):
    """The server cannot start. The message is one line for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a server may do with the process it runs in. The default is one that has a process to itself."""

    owns_process: bool = True
    """Whether the limit on open files is its to raise, and sockets that systemd hands to the process are meant for it.
    """
    listens: bool = True
    """Whether it listens on its addresses; else somebody else brings the requests to its `front`."""
    bus: Bus | None = None
    """Who hears what is published here, instead of the servers of the same registry; None: these."""


class Application:
    """A server that can be started, told to take in changed settings, and stopped. Needs a running event loop."""

    def __init__(self, settings: Settings, host: Host = Host()) -> None:
        self.settings = settings
        self._host = host
        self.descriptors = raise_descriptor_limit() if host.owns_process else descriptor_limit()
        """How many files the process may have open."""
        self.port = 0
        """The port it listens on, once started."""
        self.admin_port: int | None = None
        """The port of `admin_listen`; None when that is not set."""
        self._assembly: Assembly | None = None
        self._tls: ssl.SSLContext | None = None
        self._doors: Doors | None = None
        self._registry: Registry | None = None
        self._webhooks: WebhookWorker | None = None
        self._tracing: Tracing | None = None
        self._connect_hooks: ConnectHookWorker | None = None

    async def start(self) -> None:
        """Open the registry and listen. Raises StartError."""
        settings = self.settings
        try:
            self._tls = self._tls_context()
            traces = self._tracing = _tracing(settings)
            environ: MutableMapping[str, str] = os.environ if self._host.owns_process else {}
            doors = self._doors = Doors(settings, environ, binds=self._host.listens)
            self._registry = Registry(open_app_store(settings.sqldir, settings.secret_key_bytes))
            self._webhooks = WebhookWorker(
                settings.sqldir,
                self._registry.directory,
                SystemClock(),
                options.webhook_options(settings),
                traces=traces,
            )
            self._webhooks.start()
        except (StorageError, DoorsError) as error:
            raise StartError(str(error)) from error
        front, back = doors.sockets.front, doors.sockets.back
        self.port = _port_of(front) if front else 0
        self.admin_port = _port_of(back) if back else None
        self._connect_hooks = ConnectHookWorker(options.connect_hook_options(settings), traces)
        assembly = self._assembly = Assembly(
            settings,
            self._registry,
            self._webhooks,
            self._connect_hooks,
            bus=self._host.bus or doors.bus,
            secure=self._tls is not None,
            descriptors=self.descriptors,
            client_port=self.port,
            traced=list if traces is None else traces.traced,
        )
        self._note_settings(assembly)
        try:
            await doors.meet()
            await self._listen(assembly, settings.address, front, assembly.front)
            if settings.admin_address is not None:
                await self._listen(assembly, settings.admin_address, back, assembly.back)
            doors.offer()
        except DoorsError as error:
            raise StartError(str(error)) from error

    @property
    def front(self) -> Door:
        """The way in for clients, and for backends too unless these have `admin_listen`. Only once it is started."""
        assert self._assembly is not None
        return self._assembly.front

    @property
    def registry(self) -> Registry:
        """The apps. Only once it is started."""
        assert self._registry is not None
        return self._registry

    async def _listen(self, assembly: Assembly, address: Address, sockets: list[socket.socket], door: Door) -> None:
        # Backends and operators come to their own address directly.
        proxied = self.settings.proxy_protocol and door is assembly.front
        try:
            await assembly.server.listen(sockets, door, self.settings.backlog, self._tls, proxied=proxied)
        except OSError as error:  # somebody else bound the port as well, and was the first to listen
            raise cannot_listen(address, error) from error

    async def stop(self) -> None:
        """Stop in order, within `shutdown_timeout`."""
        if self._doors is not None:
            self._doors.withdraw()
        if self._webhooks is not None:
            self._webhooks.send_away()
        if self._assembly is not None:
            goodbye = codes.HANDOVER if self._doors is not None and self._doors.are_shared else codes.RESTART
            await self._assembly.stop(self.settings.shutdown_timeout, self.settings.drain_rate, goodbye)
        if self._doors is not None:
            await self._doors.part()
            self._doors.sockets.close()  # else those of a server that could not start stay bound
        if self._connect_hooks is not None:
            await self._connect_hooks.stop(_FLUSH_WEBHOOKS_S)
        if self._webhooks is not None:
            await self._webhooks.stop(_FLUSH_WEBHOOKS_S)
        if self._registry is not None:
            self._registry.close()
        if self._tracing is not None:
            # On a thread that nobody waits for at the end: a collector that does not answer must not hold up the exit.
            sending = threading.Thread(target=self._tracing.close, name="otel-close", daemon=True)
            sending.start()
            await asyncio.to_thread(sending.join, _FLUSH_TRACES_S)

    def reload_with(self, reload: Callable[[], Reloaded]) -> None:
        """What the operator's request to load the settings anew leads to. Only once it is started."""
        assert self._assembly is not None
        self._assembly.reload_with(reload)

    @property
    def stats(self) -> Stats:
        """What is counted. Only once it is started."""
        assert self._assembly is not None
        return self._assembly.stats

    def apply(self, settings: Settings) -> list[str]:
        """Take in the settings that may change while running; the certificate is read anew in any case.

        Returns why the certificate cannot be used, one line each: then the old one stays, and the log says so too.
        """
        assert self._assembly is not None
        self.settings = settings
        self._assembly.apply(settings)
        if self._doors is not None:
            self._doors.set_backlog(settings.backlog)
        if self._tracing is not None:
            self._tracing.configure(settings.trace_sample_ratio)
        problems = self._renew_certificate(settings)
        if not problems:
            self._note_settings(self._assembly)
        return problems

    def _renew_certificate(self, settings: Settings) -> list[str]:
        if self._tls is not None:
            try:
                tls.renew(self._tls, settings.tls_certificate, settings.tls_key)
            except OSError as error:
                problems = check(settings) or [str(error)]
                log.error("certificate_unusable", problems=problems, kept="the one in use")
                return problems
        return []

    def _note_settings(self, assembly: Assembly) -> None:
        """For the metrics: the settings are in use as they stand."""
        assembly.stats.reloaded_at = time.time()
        if self._tls is not None:
            assembly.operations.collector.certificate_expires_s = tls.expires_s(self.settings.tls_certificate)

    def _tls_context(self) -> ssl.SSLContext | None:
        settings = self.settings
        if not settings.tls_certificate:
            return None
        try:
            return tls.server_context(settings.tls_certificate, settings.tls_key)
        except OSError as error:
            raise StartError(f"tls_certificate and tls_key cannot be used: {error}") from error


def _tracing(settings: Settings) -> "Tracing | None":
    if not settings.otlp_endpoint:
        return None
    try:
        from pushery.app.telemetry import Tracing
    except ImportError as error:
        text = f"otlp_endpoint needs OpenTelemetry, and {error.name} is not there: pip install pushery[otel]"
        raise StartError(text) from error
    return Tracing(settings.otlp_endpoint, settings.trace_sample_ratio)


def _port_of(sockets: list[socket.socket]) -> int:
    return int(sockets[0].getsockname()[1])
