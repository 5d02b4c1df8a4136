"""One running server's brain: publishes, registers, counts who is online, and closes whoever must go.

It knows no client socket, only `Peer`s, and no dialect, only effects. Everything here runs on the event loop's thread.
Invariant: what one caller publishes in order is handed to every socket in that order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, cast

import msgspec
import structlog

from pushery.core import codes
from pushery.core.apps import AppDraft
from pushery.core.audience import Write
from pushery.core.codes import Close
from pushery.core.effects import (
    CloseSocket,
    Effect,
    JoinTag,
    ListApps,
    ListTags,
    Publish,
    RegisterApp,
    SocketEffect,
    UnregisterApp,
)
from pushery.core.exchange import Reply
from pushery.core.hub import Crowd, Hub
from pushery.core.patterns import PatternError
from pushery.core.ports import Bus, Clock, IdSource, StorageError
from pushery.core.publications import (
    ENVELOPE_VERSION,
    Envelope,
    Publication,
    Published,
    Unregistered,
    decode_envelope,
    encode_envelope,
)
from pushery.core.stats import Stats
from pushery.node.registry import Registry
from pushery.wire.websocket import TEXT, encode_frame

log = structlog.get_logger("pushery.node")


class Place:
    """Where a peer is counted in. A peer has one or none."""

    __slots__ = ("app_key", "crowd", "tag")

    def __init__(self, app_key: str, crowd: Crowd, tag: str) -> None:
        self.app_key = app_key
        self.crowd = crowd
        self.tag = tag


class Peer(Protocol):
    """A client's socket, as the node sees it."""

    place: Place | None
    """Set by the node; None before it has joined and after it has left."""

    entry: Write
    """What takes its frames at the moment: its transport, or its outbox while it is slow."""

    def close(self, close: Close) -> None:
        """Have it counted out with `Node.leave`, and begin the closing handshake. Harmless when repeated."""


class Node:
    """Puts hub, registry and bus together."""

    def __init__(self, *, registry: Registry, hub: Hub, bus: Bus, clock: Clock, ids: IdSource, stats: Stats) -> None:
        self.registry = registry
        self.hub = hub
        self.stats = stats
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._origin = ids.publication_id()
        self._unflushed: dict[Crowd, None] = {}
        """The crowds that have been published to since the last flush."""
        self._stepping: set[Crowd] = set()
        """The crowds whose broadcasts are being carried on by the event loop."""
        self._tasks: set[asyncio.Task[None]] = set()
        """Work that nobody waits for; the event loop itself would let it be collected."""
        bus.attach(self._receive)
        self._actions: dict[type, Callable[..., Reply | Awaitable[Reply]]] = {
            Publish: self._publish,
            RegisterApp: self._register,
            UnregisterApp: self._unregister,
            ListApps: self._list_apps,
            ListTags: self._list_tags,
        }

    def perform(self, effect: Effect) -> Reply | Awaitable[Reply]:
        """Do what a dialect's route asked for. The awaitable may raise StorageError."""
        return self._actions[type(effect)](effect)

    def apply(self, peer: Peer, effects: Iterable[SocketEffect]) -> None:
        """Do what a session asked for, in order."""
        for effect in effects:
            if isinstance(effect, JoinTag):
                self._join(peer, effect)
            else:
                assert isinstance(effect, CloseSocket)
                peer.close(effect.close)

    def publish(self, publication: Publication) -> int | asyncio.Future[int]:
        """Deliver here and tell the other nodes. Raises PatternError.

        Returns how many of this node's sockets it was handed to, for a huge audience once that is known.
        """
        delivered = self._deliver(publication)
        self.stats.pushes += 1
        self.hub.crowd(publication.app_key).pushes += 1
        if self._bus.has_peers:
            named = msgspec.structs.replace(publication, id=self._ids.publication_id())
            self._tell(Published(ENVELOPE_VERSION, self._origin, named))
        return delivered

    def leave(self, peer: Peer) -> None:
        """Count a peer out; harmless when it never joined."""
        place = peer.place
        if place is not None:
            place.crowd.leave(place.tag, peer)
            peer.place = None

    def redirect(self, peer: Peer) -> None:
        """Use the peer's new `entry` from now on."""
        place = peer.place
        if place is not None:
            place.crowd.redirect(place.tag, peer, peer.entry)

    async def watch_registry(self, every_s: float) -> None:
        """Follow what other processes do to the registry (the command line's `app add` and `app remove`), for ever."""
        while True:
            await asyncio.sleep(every_s)
            try:
                removed = await self.registry.refresh()
            except StorageError as error:
                log.warning("registry_unreadable", error=str(error))
                continue
            except Exception:
                log.exception("registry_unreadable")
                continue
            for key in removed:
                self._close_app(key)

    def _publish(self, effect: Publish) -> Reply | Awaitable[Reply]:
        started = self._clock.monotonic()
        try:
            delivered = self.publish(effect.publication)
        except PatternError as error:
            return effect.bad_pattern(error)
        if not isinstance(delivered, int):
            return self._answer_later(effect, delivered, started)
        self.stats.push_seconds.observe(self._clock.monotonic() - started)
        return effect.answer(delivered)

    async def _answer_later(self, effect: Publish, delivered: asyncio.Future[int], started: float) -> Reply:
        total = await delivered
        self.stats.push_seconds.observe(self._clock.monotonic() - started)
        return effect.answer(total)

    def _deliver(self, publication: Publication) -> int | asyncio.Future[int]:
        """The local half of a publication, whichever node it was made on."""
        crowd = self.hub.crowd(publication.app_key)
        frame = encode_frame(TEXT, publication.text)
        future: asyncio.Future[int] | None = None

        def done(total: int) -> None:
            self._count(crowd, total, len(frame))
            if future is not None and not future.cancelled():
                future.set_result(total)

        total = crowd.publish(frame, publication.pattern, done)
        if total is None:
            future = asyncio.get_running_loop().create_future()
            self._carry_on(crowd)
            return future
        self._count(crowd, total, len(frame))
        if not self._unflushed:
            # One turn later, behind this turn's replies: while a large audience is being written, backends that have
            # their answer send what the next turn gathers.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._flush)
        self._unflushed[crowd] = None
        return total

    def _flush(self) -> None:
        """Write what has been gathered."""
        crowds, self._unflushed = self._unflushed, {}
        for crowd in crowds:
            crowd.fanout.flush()
            self._note_failures(crowd)

    def _note_failures(self, crowd: Crowd) -> None:
        """Writes do not fail but through a defect of ours; then it must not go unnoticed."""
        failures = crowd.fanout.failures
        if failures:
            crowd.fanout.failures = 0
            self.stats.errors["write_failed"] += failures
            log.error("writes_failed", count=failures)

    def _count(self, crowd: Crowd, total: int, frame_size: int) -> None:
        crowd.messages_out += total
        self.stats.messages_out += total
        self.stats.bytes_out += total * frame_size

    def _carry_on(self, crowd: Crowd) -> None:
        """Keep a crowd's broadcasts going, a slice for each turn of the loop."""
        if crowd in self._stepping:
            return
        self._stepping.add(crowd)
        loop = asyncio.get_running_loop()

        def step() -> None:
            if crowd.fanout.step():
                loop.call_soon(step)
            else:
                self._stepping.discard(crowd)
                self._note_failures(crowd)

        loop.call_soon(step)

    def _join(self, peer: Peer, effect: JoinTag) -> None:
        if effect.app_key not in self.registry.apps:
            peer.close(codes.APP_UNREGISTERED)
            return
        crowd = self.hub.crowd(effect.app_key)
        crowd.join(effect.tag, peer, peer.entry)
        peer.place = Place(effect.app_key, crowd, effect.tag)

    async def _register(self, effect: RegisterApp) -> Reply:
        draft = AppDraft(
            key=self._ids.app_key(),
            secret=self._ids.secret(),
            name=effect.name,
            auth_account=effect.auth_account,
            auth_password=effect.auth_password,
            request_ip=effect.request_ip,
            registered_ms=self._clock.wall_ms(),
        )
        app = await self.registry.add(draft)
        log.info("app_registered", app_key=app.key)
        return effect.answer(app)

    async def _unregister(self, effect: UnregisterApp) -> Reply:
        was_there = await self.registry.remove(effect.app_key)
        if was_there:
            self._close_app(effect.app_key)
            self._tell(Unregistered(ENVELOPE_VERSION, self._origin, effect.app_key))
        return effect.answer(was_there)

    def _list_apps(self, effect: ListApps) -> Reply:
        return effect.answer(list(self.registry.apps.values()))

    def _list_tags(self, effect: ListTags) -> Reply:
        return effect.answer(self.hub.crowd(effect.app_key).tags.names())

    def _close_app(self, app_key: str) -> None:
        """Close everybody who is online in an app that is no more."""
        peers = cast(list[Peer], self.hub.drop(app_key))
        log.info("app_unregistered", app_key=app_key, sockets=len(peers))
        task = asyncio.get_running_loop().create_task(self.close_all(peers, codes.APP_UNREGISTERED))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close_all(self, peers: Sequence[Peer], close: Close) -> None:
        """Close sockets in slices, so that closing many does not hold up the rest."""
        slice_size = self.hub.fanout_slice
        for start in range(0, len(peers), slice_size):
            for peer in peers[start : start + slice_size]:
                peer.close(close)
            await asyncio.sleep(0)

    def _tell(self, envelope: Envelope) -> None:
        if self._bus.has_peers:
            self._bus.send(encode_envelope(envelope))

    def _receive(self, data: bytes) -> None:
        envelope = decode_envelope(data)
        if envelope is None or envelope.origin == self._origin:
            return
        if isinstance(envelope, Unregistered):
            self.registry.forget(envelope.app_key)
            self._close_app(envelope.app_key)
        elif envelope.publication.app_key in self.registry.apps:
            try:
                self._deliver(envelope.publication)
            except PatternError as error:  # its origin found it valid, so that runs another version
                log.warning("publication_not_understood", app_key=envelope.publication.app_key, error=str(error))
