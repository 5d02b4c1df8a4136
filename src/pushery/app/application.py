"""One server from start to stop: its addresses, its certificate, its registry, and the parts put together.

It reads no configuration file and handles no signal; `run` does. Invariant: what cannot be had is an error at the
start that says so in one line, never a silent fall-back.
"""

import os
import socket
import ssl

import structlog

from pushery.app import options, tls
from pushery.app.assembly import Assembly
from pushery.app.doors import Doors, DoorsError, cannot_listen
from pushery.app.system import raise_descriptor_limit
from pushery.config import Address, Settings, check
from pushery.core import codes
from pushery.core.ports import StorageError
from pushery.node.registry import Registry
from pushery.node.system import SystemClock
from pushery.server.door import Door
from pushery.storage import open_app_store
from pushery.workers import ConnectHookWorker, WebhookWorker

log = structlog.get_logger("pushery.app")

_FLUSH_WEBHOOKS_S = 5.0
"""How long a stop waits for events to reach the disk and for requests that are under way."""


class StartError(Exception):
    """The server cannot start. The message is one line for the operator."""


class Application:
    """A server that can be started, told to take in changed settings, and stopped. Needs a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.descriptors = raise_descriptor_limit()
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
        self._connect_hooks = ConnectHookWorker(options.connect_hook_options(settings))

    async def start(self) -> None:
        """Open the registry and listen. Raises StartError."""
        settings = self.settings
        try:
            self._tls = self._tls_context()
            doors = self._doors = Doors(settings, os.environ)
            self._registry = Registry(open_app_store(settings.sqldir, settings.secret_key_bytes))
            self._webhooks = WebhookWorker(
                settings.sqldir, self._registry.directory, SystemClock(), options.webhook_options(settings)
            )
            self._webhooks.start()
        except (StorageError, DoorsError) as error:
            raise StartError(str(error)) from error
        front, back = doors.sockets.front, doors.sockets.back
        self.port = _port_of(front)
        self.admin_port = _port_of(back) if back else None
        assembly = self._assembly = Assembly(
            settings,
            self._registry,
            self._webhooks,
            self._connect_hooks,
            bus=doors.bus,
            secure=self._tls is not None,
            descriptors=self.descriptors,
        )
        try:
            await doors.meet()
            await self._listen(assembly, settings.address, front, assembly.front)
            if settings.admin_address is not None:
                await self._listen(assembly, settings.admin_address, back, assembly.back)
            doors.offer()
        except DoorsError as error:
            raise StartError(str(error)) from error

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
        await self._connect_hooks.stop(_FLUSH_WEBHOOKS_S)
        if self._webhooks is not None:
            await self._webhooks.stop(_FLUSH_WEBHOOKS_S)
        if self._registry is not None:
            self._registry.close()

    def apply(self, settings: Settings) -> bool:
        """Take in the settings that may change while running; the certificate is read anew in any case.

        False when the certificate cannot be used: the old one stays, and the log says why.
        """
        assert self._assembly is not None
        self.settings = settings
        self._assembly.apply(settings)
        if self._tls is not None:
            try:
                tls.renew(self._tls, settings.tls_certificate, settings.tls_key)
            except OSError as error:
                problems = check(settings) or [str(error)]
                log.error("certificate_unusable", problems=problems, kept="the one in use")
                return False
        return True

    def _tls_context(self) -> ssl.SSLContext | None:
        settings = self.settings
        if not settings.tls_certificate:
            return None
        try:
            return tls.server_context(settings.tls_certificate, settings.tls_key)
        except OSError as error:
            raise StartError(f"tls_certificate and tls_key cannot be used: {error}") from error


def _port_of(sockets: list[socket.socket]) -> int:
    return int(sockets[0].getsockname()[1])
