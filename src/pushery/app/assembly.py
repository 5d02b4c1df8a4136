"""Puts the parts of one server together: which adapter stands where, and who knows whom.

Binds no address and starts nothing but the watch over the registry. It needs a running event loop.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from pushery.app import options
from pushery.config import Settings
from pushery.console import Console
from pushery.core.backlog import Backlog
from pushery.core.codes import Close
from pushery.core.effects import Reloaded, Route
from pushery.core.guesses import Guesses
from pushery.core.hub import Hub
from pushery.core.ports import Bus
from pushery.core.stats import Stats
from pushery.dialects.admin import Admin
from pushery.dialects.gopusher import GoPusher
from pushery.dialects.pusher import PusherApi, PusherSockets, PusherVoice
from pushery.dialects.pusher.fallbacks import PusherFallbacks
from pushery.node import Node
from pushery.node.registry import Registry
from pushery.node.system import SystemClock, SystemIds
from pushery.server.admission import Admission
from pushery.server.compression import SharedDeflater
from pushery.server.door import Door
from pushery.server.operations import Operations
from pushery.server.pauses import PAUSES
from pushery.server.router import Elsewhere, Router, nowhere
from pushery.server.server import Server, new_wheel
from pushery.server.shared import Shared
from pushery.wire.http import HttpLimits
from pushery.wire.replies import ReplyEncoder
from pushery.workers import ConnectHookCollector, ConnectHookWorker, HookCollector, WebhookWorker

_WATCH_REGISTRY_S: Final = 1.0


class Assembly:
    """One server, ready to listen. `secure` says whether it speaks TLS itself, `descriptors` how many files it may
    have open, `client_port` where clients come in, and `traced` makes of routes that publish such that leave traces."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        webhooks: WebhookWorker,
        connect_hooks: ConnectHookWorker,
        *,
        bus: Bus,
        secure: bool,
        descriptors: int,
        client_port: int,
        traced: Callable[[list[Route]], list[Route]] = list,
    ) -> None:
        loop, clock, ids, stats = asyncio.get_running_loop(), SystemClock(), SystemIds(), Stats()
        directory = registry.directory
        hub = Hub(fanout_slice=settings.fanout_slice, standing_patterns=settings.standing_patterns)
        self.stats = stats
        self._clock = clock
        self._client_port = client_port
        self._secure = secure
        self._guesses = Guesses(settings.auth_failures_per_minute)
        self._deflater = SharedDeflater(settings.compression_min_bytes, stats)
        self._workers = webhooks, connect_hooks
        self._node = Node(
            registry=registry,
            hub=hub,
            bus=bus,
            clock=clock,
            ids=ids,
            stats=stats,
            voice=PusherVoice(),
            hooks=webhooks,
        )
        self._shared = Shared(
            loop=loop,
            node=self._node,
            stats=stats,
            admission=Admission(options.limits(settings), stats, descriptors, clock.monotonic),
            backlog=Backlog(settings.max_buffered_bytes, lambda: loop.call_soon(self.server.make_room)),
            wheel=new_wheel(clock.monotonic),
            replies=ReplyEncoder(clock.wall_ms() // 1000, int(settings.hsts_max_age)),
            http_limits=HttpLimits(settings.max_header_bytes, settings.max_body_bytes),
            timeouts=options.timeouts(settings),
            outbox_limit=settings.outbox_limit,
            deflater=self._deflater if settings.compression else None,
            cors_origins=frozenset(settings.cors_origins),
            trusted_proxies=settings.trusted_networks,
            forwarded_header=settings.forwarded_header,
            connect_hooks=connect_hooks,
            verbose=settings.log_level == "debug",
            logs_access=settings.access_log,
        )
        self._gopusher = GoPusher(options.gopusher_options(settings), directory, clock)
        self._pusher = PusherSockets(options.pusher_options(settings), directory, ids, clock)
        self._pusher_api = PusherApi(directory, clock, settings.signature_max_age)
        self._admin = Admin(options.admin_options(settings), directory, ids, clock)
        self._console = Console(
            options.console_options(settings, client_port),
            self._node,
            self._shared.backlog,
            self._guesses,
            webhooks,
            ids,
            clock,
        )
        self.server = Server(self._shared, clock.wall_ms, clock.monotonic)
        operations = self.operations = Operations(
            hub,
            self._shared.admission,
            self._shared.backlog,
            directory,
            per_app=settings.metrics_per_app,
            is_stopping=lambda: self._shared.draining,
            further=[HookCollector(webhooks.stats), ConnectHookCollector(connect_hooks.outcomes), PAUSES],
        )
        routes = [
            *traced(self._gopusher.routes()),
            *self._pusher.routes(),
            *PusherFallbacks(self._pusher).routes(),
            *traced(self._pusher_api.routes()),
            *self._admin.routes(),
            *operations.routes(),
            *(self._console.routes() if settings.console else ()),
        ]
        if settings.admin_listen:
            for_clients = [route for route in routes if route.door != "backends"]
            self.front = self._door(for_clients, self._pusher.elsewhere, clients_only=True)
            self.back = self._door([route for route in routes if route.door != "clients"], nowhere)
        else:
            self.front = self.back = self._door(routes, self._pusher.elsewhere)
        self._watching = [loop.create_task(self._node.apps.watch(_WATCH_REGISTRY_S))]
        if settings.console:
            self._watching.append(loop.create_task(self._console.run()))
        self._configure(settings)

    def _door(self, routes: list[Route], elsewhere: Elsewhere, *, clients_only: bool = False) -> Door:
        return Door(
            self._shared,
            Router(routes, elsewhere),
            self._guesses,
            self._clock.monotonic,
            secure=self._secure,
            clients_only=clients_only,
        )

    def reload_with(self, reload: Callable[[], Reloaded]) -> None:
        """What the operator's request to load the settings anew leads to."""
        self._node.reload = reload

    def apply(self, settings: Settings) -> None:
        """Take in the settings that may change while running."""
        shared = self._shared
        self._gopusher.configure(options.gopusher_options(settings))
        self._pusher.configure(options.pusher_options(settings))
        self._pusher_api.configure(settings.signature_max_age)
        self._admin.configure(options.admin_options(settings))
        self._console.configure(options.console_options(settings, self._client_port))
        shared.cors_origins = frozenset(settings.cors_origins)
        shared.trusted_proxies = settings.trusted_networks
        shared.forwarded_header = settings.forwarded_header
        shared.replies.set_hsts(int(settings.hsts_max_age))
        shared.http_limits = HttpLimits(settings.max_header_bytes, settings.max_body_bytes)
        shared.timeouts = options.timeouts(settings)
        shared.outbox_limit = settings.outbox_limit
        shared.verbose = settings.log_level == "debug"
        shared.logs_access = settings.access_log
        self._deflater.compress_from = settings.compression_min_bytes
        shared.deflater = self._deflater if settings.compression else None
        self.operations.collector.per_app = settings.metrics_per_app
        self._node.hub.configure(fanout_slice=settings.fanout_slice, standing_patterns=settings.standing_patterns)
        webhooks, connect_hooks = self._workers
        webhooks.configure(options.webhook_options(settings))
        connect_hooks.configure(options.connect_hook_options(settings))
        shared.admission.limits = options.limits(settings)
        shared.backlog.limit = settings.max_buffered_bytes
        self._guesses.limit = settings.auth_failures_per_minute
        self._configure(settings)

    def _configure(self, settings: Settings) -> None:
        self._node.publishes_per_second = settings.publishes_per_second

    async def stop(self, timeout_s: float, drain_rate: int, goodbye: Close) -> None:
        """Stop in order, within this time and a moment, closing so many sockets a second with `goodbye`."""
        for task in self._watching:
            task.cancel()
        await self.server.stop(timeout_s, drain_rate, goodbye)
