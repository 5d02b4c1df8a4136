"""One running server's brain: publishes, registers, counts who is online, and closes whoever must go.

It knows no client socket, only `Peer`s, and no dialect, only effects. Everything here runs on the event loop's thread.
Invariant: what one caller publishes in order is handed to every socket in that order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import cast

import msgspec
import structlog

from pushery.core import codes
from pushery.core.apps import App
from pushery.core.codes import Close
from pushery.core.effects import (
    ChangeApp,
    CloseLater,
    CloseSocket,
    Disconnect,
    Effect,
    Enter,
    Inspect,
    JoinTag,
    ListApps,
    Once,
    Publish,
    PublishEvent,
    RegisterApp,
    Relay,
    Reload,
    Reloaded,
    Send,
    SignIn,
    SocketEffect,
    Subscribe,
    TerminateUser,
    UnregisterApp,
    Unsubscribe,
)
from pushery.core.exchange import Reply
from pushery.core.fanout import Done
from pushery.core.hub import Hub
from pushery.core.patterns import PatternError, compile_pattern
from pushery.core.ports import Bus, Clock, Hooks, IdSource
from pushery.core.publications import (
    ENVELOPE_VERSION,
    ChannelEvent,
    Envelope,
    Publication,
    Published,
    PublishedEvents,
    Terminated,
    Unregistered,
    decode_envelope,
    encode_envelope,
)
from pushery.core.rates import TokenBucket
from pushery.core.stats import Stats
from pushery.core.voice import Voice
from pushery.core.witness import Sighting
from pushery.node.apps import AppDesk
from pushery.node.channels import ChannelDesk
from pushery.node.delivery import Delivery, Total, sum_of
from pushery.node.passing import Passing
from pushery.node.peers import Peer, TagPlace, find_peer, saw, sighting_of
from pushery.node.registry import Registry
from pushery.wire.websocket import TEXT, encode_frame

log = structlog.get_logger("pushery.node")


class Node:
    """Puts hub, registry and bus together."""

    def __init__(
        self,
        *,
        registry: Registry,
        hub: Hub,
        bus: Bus,
        clock: Clock,
        ids: IdSource,
        stats: Stats,
        voice: Voice,
        hooks: Hooks,
    ) -> None:
        self.registry = registry
        self.hub = hub
        self.publishes_per_second = 0
        """How many publishes of all apps together are taken; 0: any number."""
        self._rate = TokenBucket()
        self.reload: Callable[[], Reloaded] = _nothing_to_reload
        """Loads the settings of the whole server anew."""
        self.stats = stats
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._origin = ids.publication_id()
        self._delivery = Delivery(stats)
        self._channels = ChannelDesk(
            hub=hub, directory=registry.directory, delivery=self._delivery, voice=voice, hooks=hooks, clock=clock
        )
        self.apps = AppDesk(
            registry=registry, hub=hub, ids=ids, clock=clock, stats=stats, tell_removed=self._tell_removed
        )
        """Where apps are registered, changed and removed."""
        self._passing = Passing()
        bus.attach(self._receive)
        self._actions: dict[type, Callable[..., Reply | Awaitable[Reply]]] = {
            Publish: self._publish,
            PublishEvent: self._publish_events,
            RegisterApp: self.apps.register,
            UnregisterApp: self.apps.unregister,
            ChangeApp: self.apps.change,
            ListApps: self.apps.list_apps,
            Reload: self._reload,
            Inspect: self._inspect,
            Disconnect: self._disconnect,
            TerminateUser: self._terminate,
        }
        self._socket_actions: dict[type, Callable[..., object]] = {
            JoinTag: self._join,
            Enter: self._channels.enter,
            Send: _send,
            Subscribe: self._channels.subscribe,
            Unsubscribe: self._channels.unsubscribe,
            Relay: self._relay,
            SignIn: self._channels.sign_in,
            CloseSocket: _close,
            CloseLater: self._passing.close_later,
        }

    def perform(self, effect: Effect) -> Reply | Awaitable[Reply]:
        """Do what a dialect's route asked for. The awaitable may raise StorageError."""
        if isinstance(effect, Publish | PublishEvent):
            limit = self.publishes_per_second
            if limit and not self._rate.take(1, limit, self._clock.monotonic()):
                return effect.too_fast(limit)
            if effect.once is not None:
                return self._perform_once(effect, effect.once)
        return self._actions[type(effect)](effect)

    def apply(self, peer: Peer, effects: Iterable[SocketEffect]) -> None:
        """Do what a session asked for, in order."""
        for effect in effects:
            self._socket_actions[type(effect)](peer, effect)

    def publish(self, publication: Publication) -> Total:
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

    def say(self, app: App, event: ChannelEvent) -> None:
        """Deliver an event of the server's own to this node's subscribers; the other nodes have their own to say."""
        self._channels.publish(app, event)

    def leave(self, peer: Peer, close: Close | None = None) -> None:
        """Count a peer out, which is being closed so; harmless when it never joined."""
        place = peer.place
        if place is None:
            return
        if self._passing.timers:
            self._passing.left(peer)
        place.settle(peer)  # what it writes may still swap the peer's entry, which has to reach every audience
        peer.place = None
        if place.crowd.witness is not None:
            reason = "" if close is None else f"{close.code} {close.reason}".rstrip()
            sighting = sighting_of("closed" if reason else "disconnected", place)
            place.crowd.witness.saw(msgspec.structs.replace(sighting, reason=reason))
        if isinstance(place, TagPlace):
            place.crowd.leave(place.tag, peer)
        else:
            self._channels.leave(peer, place)

    def redirect(self, peer: Peer) -> None:
        """Use the peer's new `entry` from now on."""
        if peer.place is not None:
            peer.place.redirect(peer)

    def _publish(self, effect: Publish) -> Reply | Awaitable[Reply]:
        started = self._clock.monotonic()
        app_key = effect.publication.app_key
        app = self.registry.apps.get(app_key)
        limit = 0 if app is None else app.settings.events_per_second
        if limit and not self.hub.crowd(app_key).bucket.take(1, limit, started):
            return effect.too_fast(limit)
        try:
            delivered = self.publish(effect.publication)
        except PatternError as error:
            return effect.bad_pattern(error)
        if not isinstance(delivered, int):
            return self._answer_later(effect, delivered, started)
        self.stats.push_seconds.observe(self._clock.monotonic() - started)
        return effect.answer(delivered)

    def _publish_events(self, effect: PublishEvent) -> Reply | Awaitable[Reply]:
        started = self._clock.monotonic()
        app = self.registry.apps.get(effect.app_key)
        crowd = self.hub.look(effect.app_key) if app is None else self.hub.crowd(effect.app_key)
        limit = 0 if app is None else app.settings.events_per_second
        if limit and not crowd.bucket.take(len(effect.events), limit, started):
            return effect.too_fast(limit)
        totals: list[list[Total]] = []
        if app is not None:
            try:
                for event in effect.events:
                    if event.pattern is not None:
                        compile_pattern(event.pattern)
            except PatternError as error:
                return effect.bad_pattern(error)
            totals = [self._channels.publish(app, event) for event in effect.events]
        self.stats.pushes += len(effect.events)
        crowd.pushes += len(effect.events)
        self._tell_events(effect.app_key, effect.events)

        def answer(counts: Sequence[int]) -> Reply:
            self.stats.push_seconds.observe(self._clock.monotonic() - started)
            return effect.answer(crowd, counts)

        async def answer_later() -> Reply:
            return answer([sum(await sum_of(each)) for each in totals])

        counts = []
        for each in totals:
            count = 0
            for total in each:
                if not isinstance(total, int):
                    return answer_later()
                count += total
            counts.append(count)
        return answer(counts)

    def _perform_once(self, effect: Publish | PublishEvent, once: Once) -> Reply | Awaitable[Reply]:
        """Do it, or give the answer that it got when it was done."""
        app_key = effect.publication.app_key if isinstance(effect, Publish) else effect.app_key
        answers, now = self.hub.crowd(app_key).answers, self._clock.monotonic()
        found = answers.get(once.key, now)
        if found is not None:
            fingerprint, before = found
            if fingerprint != once.fingerprint:
                return once.reused()
            once.repeated()
            return before if isinstance(before, Reply) else asyncio.shield(cast("asyncio.Task[Reply]", before))
        result = self._actions[type(effect)](effect)
        if isinstance(result, Reply):
            if result.status < 300:  # else nothing was done
                answers.put(once.key, once.fingerprint, result, len(result.body), now)
            return result

        def done(task: "asyncio.Task[Reply]") -> None:
            if task.cancelled() or task.exception() is not None:
                answers.forget(once.key)  # whoever tries again really tries
            else:
                answers.put(once.key, once.fingerprint, task.result(), len(task.result().body), now)

        task = asyncio.get_running_loop().create_task(cast("Coroutine[None, None, Reply]", result))
        task.add_done_callback(done)
        answers.put(once.key, once.fingerprint, task, 0, now)
        return asyncio.shield(task)

    async def _answer_later(self, effect: Publish, delivered: asyncio.Future[int], started: float) -> Reply:
        total = await delivered
        self.stats.push_seconds.observe(self._clock.monotonic() - started)
        return effect.answer(total)

    def _deliver(self, publication: Publication) -> Total:
        """The local half of a publication, whichever node it was made on."""
        crowd = self.hub.crowd(publication.app_key)
        frame = encode_frame(TEXT, publication.text)

        def publish(done: Done) -> int | None:
            return crowd.publish(frame, publication.pattern, done)

        total = self._delivery.hand_over(crowd, crowd.fanout, len(frame), publish)
        if crowd.witness is not None:
            pattern, receivers = publication.pattern or "", total if isinstance(total, int) else None
            crowd.witness.saw(Sighting(kind="push", pattern=pattern, data=publication.text, receivers=receivers))
        return total

    def _relay(self, peer: Peer, effect: Relay) -> None:
        place = peer.place
        event = self._channels.relay(peer, effect)
        if event is not None and place is not None:
            self._tell_events(place.app_key, (event,))

    def _join(self, peer: Peer, effect: JoinTag) -> None:
        app = self.registry.directory.all.get(effect.app_key)
        if app is None:
            peer.close(codes.APP_UNREGISTERED)
            return
        crowd = self.hub.crowd(effect.app_key)
        if not crowd.has_room(app.settings.max_connections):
            peer.close(codes.OVER_QUOTA)
            return
        crowd.join(effect.tag, peer, peer.entry)
        peer.place = TagPlace(effect.app_key, crowd, effect.tag)
        if crowd.witness is not None:
            crowd.witness.saw(sighting_of("connected", peer.place))

    def _reload(self, effect: Reload) -> Reply:
        return effect.answer(self.reload())

    def _inspect(self, effect: Inspect) -> Reply:
        return effect.answer(self.hub.look(effect.app_key))

    def _terminate(self, effect: TerminateUser) -> Reply:
        self._tell(Terminated(ENVELOPE_VERSION, self._origin, effect.app_key, effect.user_id))
        return effect.answer(self._close_user(effect.app_key, effect.user_id))

    def _disconnect(self, effect: Disconnect) -> Reply:
        peer = find_peer(self.hub.look(effect.app_key), effect.socket)
        if peer is not None:
            peer.close(codes.TERMINATED)
        return effect.answer(peer is not None)

    def refused(self, path: str, reply: Reply) -> None:
        """A request was answered with an error: whoever watches the app that its path names is told."""
        directory = self.registry.directory
        for segment in path.split("/"):
            app = directory.by_key.get(segment) or directory.apps.get(segment) or directory.by_id.get(segment)
            if app is not None and app.key in self.hub.watched:
                self.hub.crowd(app.key).see(Sighting(kind="refused", reason=f"{reply.status} {reply.code}"))
                return

    def _close_user(self, app_key: str, user_id: str) -> int:
        peers = self._channels.users_sockets(app_key, user_id)
        for peer in peers:
            peer.close(codes.TERMINATED)
        return len(peers)

    def _tell_events(self, app_key: str, events: Sequence[ChannelEvent]) -> None:
        if self._bus.has_peers:
            named = tuple(msgspec.structs.replace(event, id=self._ids.publication_id()) for event in events)
            self._tell(PublishedEvents(ENVELOPE_VERSION, self._origin, app_key, named))

    def _tell_removed(self, app_key: str) -> None:
        self._tell(Unregistered(ENVELOPE_VERSION, self._origin, app_key))

    def _tell(self, envelope: Envelope) -> None:
        if self._bus.has_peers:
            self._bus.send(encode_envelope(envelope))

    def _receive(self, data: bytes) -> None:
        envelope = decode_envelope(data)
        if envelope is None or envelope.origin == self._origin:
            return
        try:
            self._take_in(envelope)
        except PatternError as error:  # its origin found it valid, so that runs another version
            log.warning("publication_not_understood", error=str(error))

    def _take_in(self, envelope: Envelope) -> None:
        match envelope:
            case Unregistered():
                self.registry.forget(envelope.app_key)
            case Published() if envelope.publication.app_key in self.registry.apps:
                self._deliver(envelope.publication)
            case PublishedEvents() if envelope.app_key in self.registry.apps:
                for event in envelope.events:
                    self._channels.publish(self.registry.apps[envelope.app_key], event)
            case Terminated():
                self._close_user(envelope.app_key, envelope.user_id)
            case _:
                log.debug("envelope_for_unknown_app")


def _nothing_to_reload() -> Reloaded:
    return Reloaded(problems=("this server was not started from settings that can be loaded anew",))


def _send(peer: Peer, effect: Send) -> None:
    peer.send(effect.text)
    if effect.refusal:
        saw(peer, Sighting(kind="refused", reason=effect.refusal))


def _close(peer: Peer, effect: CloseSocket) -> None:
    peer.close(effect.close)
