"""One server, put together from its parts."""

import asyncio
import socket
import ssl
from dataclasses import dataclass

import structlog

from pushery.app import tls
from pushery.app.system import listening_sockets, raise_descriptor_limit
from pushery.bus.memory import MemoryBus
from pushery.config import Settings, check
from pushery.core.hub import Hub
from pushery.core.ports import StorageError
from pushery.core.stats import Stats
from pushery.dialects.admin import Admin, AdminOptions
from pushery.dialects.gopusher import GoPusher, GoPusherOptions
from pushery.dialects.pusher import PusherApi, PusherSockets, PusherVoice, SocketOptions
from pushery.dialects.pusher.fallbacks import PusherFallbacks
from pushery.node import Node
from pushery.node.registry import Registry
from pushery.node.system import SystemClock, SystemIds
from pushery.server.operations import Operations
from pushery.server.router import Router
from pushery.server.server import Server, new_wheel
from pushery.server.shared import Shared, Timeouts
from pushery.storage import open_app_store
from pushery.wire.http import HttpLimits
from pushery.wire.replies import ReplyEncoder
from pushery.workers import HookCollector, WebhookOptions, WebhookWorker

log = structlog.get_logger("pushery.app")

_WATCH_REGISTRY_S = 1.0

_FLUSH_WEBHOOKS_S = 5.0
"""How long a stop waits for events to reach the disk and for requests that are under way."""


class StartError(Exception):
    """The server cannot start. The message is one line for the operator."""


@dataclass
class _Running:
    """What exists between start and stop."""

    server: Server
    shared: Shared
    gopusher: GoPusher
    pusher: PusherSockets
    admin: Admin
    tls: ssl.SSLContext | None
    watching: asyncio.Task[None]


class Application:
    """A server that can be started, told to take in changed settings, and stopped. Needs a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.descriptors = raise_descriptor_limit()
        """How many files the process may have open."""
        self.port = 0
        """The port it listens on, once started."""
        self._running: _Running | None = None
        self._registry: Registry | None = None
        self._webhooks: WebhookWorker | None = None

    async def start(self) -> None:
        """Open the registry and listen. Raises StartError."""
        try:
            context = self._tls_context()
            sockets = self._bind()
            self._registry = Registry(open_app_store(self.settings.sqldir, self.settings.secret_key_bytes))
            self._webhooks = WebhookWorker(
                self.settings.sqldir, self._registry.directory, SystemClock(), _webhook_options(self.settings)
            )
            self._webhooks.start()
        except StorageError as error:
            raise StartError(str(error)) from error
        self.port = int(sockets[0].getsockname()[1])
        self._running = self._assemble(self._registry, self._webhooks, context)
        try:
            await self._running.server.start(sockets, self.settings.backlog, context)
        except OSError as error:  # somebody else bound the port as well, and was the first to listen
            raise self._cannot_listen(error) from error

    async def stop(self) -> None:
        """Stop in order, within `shutdown_timeout`."""
        if self._running is not None:
            self._running.watching.cancel()
            await self._running.server.stop(self.settings.shutdown_timeout)
        if self._webhooks is not None:
            await self._webhooks.stop(_FLUSH_WEBHOOKS_S)
        if self._registry is not None:
            self._registry.close()

    def apply(self, settings: Settings) -> bool:
        """Take in the settings that may change while running; the certificate is read anew in any case.

        False when the certificate cannot be used: the old one stays, and the log says why.
        """
        running = self._running
        assert running is not None
        self.settings = settings
        running.gopusher.configure(_gopusher_options(settings))
        running.pusher.configure(_pusher_options(settings))
        running.admin.configure(_admin_options(settings))
        running.shared.cors_origins = frozenset(settings.cors_origins)
        running.shared.trusted_proxies = settings.trusted_networks
        running.shared.verbose = settings.log_level == "debug"
        if running.tls is not None:
            try:
                tls.renew(running.tls, settings.tls_certificate, settings.tls_key)
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

    def _bind(self) -> list[socket.socket]:
        try:
            return listening_sockets(self.settings.address)
        except OSError as error:
            raise self._cannot_listen(error) from error

    def _cannot_listen(self, error: OSError) -> StartError:
        return StartError(f"cannot listen on {self.settings.address}: {error.strerror or error}")

    def _assemble(self, registry: Registry, webhooks: WebhookWorker, context: ssl.SSLContext | None) -> _Running:
        settings, clock, stats = self.settings, SystemClock(), Stats()
        loop = asyncio.get_running_loop()
        hub = Hub(fanout_slice=settings.fanout_slice, standing_patterns=settings.standing_patterns)
        ids, directory = SystemIds(), registry.directory
        node = Node(
            registry=registry,
            hub=hub,
            bus=MemoryBus(),
            clock=clock,
            ids=ids,
            stats=stats,
            voice=PusherVoice(),
            hooks=webhooks,
        )
        gopusher = GoPusher(_gopusher_options(settings), directory)
        pusher = PusherSockets(_pusher_options(settings), directory, ids)
        admin = Admin(_admin_options(settings), directory, ids, clock)
        operations = Operations(
            stats,
            hub,
            per_app=settings.metrics_per_app,
            is_ready=lambda: not shared.draining,
            further=[HookCollector(webhooks.stats)],
        )
        shared = Shared(
            loop=loop,
            node=node,
            stats=stats,
            router=Router(
                [
                    *gopusher.routes(),
                    *pusher.routes(),
                    *PusherFallbacks(pusher).routes(),
                    *PusherApi(directory, clock).routes(),
                    *admin.routes(),
                    *operations.routes(),
                ],
                pusher.elsewhere,
            ),
            wheel=new_wheel(clock.monotonic),
            replies=ReplyEncoder(clock.wall_ms() // 1000),
            http_limits=HttpLimits(settings.max_header_bytes, settings.max_body_bytes),
            timeouts=_timeouts(settings),
            outbox_limit=settings.outbox_limit,
            compress_from=settings.compression_min_bytes if settings.compression else None,
            cors_origins=frozenset(settings.cors_origins),
            trusted_proxies=settings.trusted_networks,
            secure=context is not None,
            verbose=settings.log_level == "debug",
        )
        watching = loop.create_task(node.watch_registry(_WATCH_REGISTRY_S))
        server = Server(shared, clock.wall_ms, clock.monotonic, self.descriptors)
        return _Running(server, shared, gopusher, pusher, admin, context, watching)


def _gopusher_options(settings: Settings) -> GoPusherOptions:
    return GoPusherOptions(
        settings.auth_account, settings.auth_password, settings.mask_passwords, settings.message_limit
    )


def _pusher_options(settings: Settings) -> SocketOptions:
    return SocketOptions(settings.pusher_message_limit, int(settings.activity_timeout))


def _admin_options(settings: Settings) -> AdminOptions:
    return AdminOptions(settings.auth_account, settings.auth_password, settings.mask_passwords)


def _webhook_options(settings: Settings) -> WebhookOptions:
    return WebhookOptions(
        hold_back_s=settings.webhook_hold_back,
        return_s=settings.webhook_return_time,
        timeout_s=settings.webhook_timeout,
        retry_time_s=settings.webhook_retry_time,
        private_addresses=settings.webhook_private_addresses,
        redirects=settings.webhook_redirects,
    )


def _timeouts(settings: Settings) -> Timeouts:
    return Timeouts(
        header=settings.header_timeout,
        body=settings.body_timeout,
        keepalive=settings.keepalive_timeout,
        ping_idle=settings.ping_idle,
        ping_timeout=settings.ping_timeout,
        close=settings.close_timeout,
    )
