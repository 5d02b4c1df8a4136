"""Who uses channels: comes, subscribes, signs in, sends client events, and leaves. Tells everyone whom it concerns.

What is allowed the dialect's session has checked, but for what only the node knows: what others have done meanwhile.
How things are said is the dialect's `Voice`. Source: Pusher Channels protocol, sections 7 to 9.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from pushery.core import codes
from pushery.core.apps import App, Directory
from pushery.core.channelnames import kind_of
from pushery.core.channels import CHANNELS, Cached, Channel, Member
from pushery.core.effects import Enter, Relay, SignIn, Subscribe, Unsubscribe
from pushery.core.fanout import Done
from pushery.core.hookevents import HookEvent
from pushery.core.hub import Crowd, Hub
from pushery.core.ports import Clock, Hooks
from pushery.core.publications import ChannelEvent
from pushery.core.rates import TokenBucket
from pushery.core.voice import Voice
from pushery.core.witness import Sighting
from pushery.node.delivery import Delivery, Total
from pushery.node.peers import ChannelPlace, Peer, saw
from pushery.wire.websocket import TEXT, encode_frame

_COUNT_AT_ONCE: Final = 100
"""Subscribers up to which each change of their number is told at once (protocol 7.3)."""

_COUNT_EVERY_S: Final = 5.0
"""How often it is told above that."""


class ChannelDesk:
    """The channels of all apps of this node."""

    def __init__(
        self, *, hub: Hub, directory: Directory, delivery: Delivery, voice: Voice, hooks: Hooks, clock: Clock
    ) -> None:
        self._hub = hub
        self._directory = directory
        self._delivery = delivery
        self._voice = voice
        self._hooks = hooks
        self._clock = clock

    def enter(self, peer: Peer, effect: Enter) -> None:
        """Count a socket in and greet it."""
        app = self._directory.all.get(effect.app_key)
        if app is None:
            peer.close(codes.APP_UNREGISTERED)
            return
        crowd = self._hub.crowd(app.key)
        settings = app.settings
        if not crowd.has_room(settings.max_connections):
            peer.close(codes.OVER_QUOTA)
            return
        crowd.sockets[effect.socket_id] = peer
        peer.place = ChannelPlace(app.key, crowd, effect.socket_id, self._clock.wall_ms())
        if settings.authorized_connections and not effect.proven:
            loop = asyncio.get_running_loop()
            crowd.unproven[peer] = loop.call_later(settings.authorization_timeout, peer.close, codes.NOT_IN_TIME)
        peer.send(effect.greeting)
        if crowd.witness is not None:
            saw(peer, Sighting(kind="connected"))
        self._hook(app, HookEvent("connected", socket_id=effect.socket_id))

    def leave(self, peer: Peer, place: ChannelPlace) -> None:
        """Count a socket out, and tell those who stay."""
        crowd = place.crowd
        crowd.sockets.pop(place.socket_id, None)
        self._proved(crowd, peer)
        app = self._directory.all.get(place.app_key)
        for name, member in place.channels.items():
            self._part(app, crowd, peer, name, member)
        place.channels.clear()
        crowd.users.unwatch(peer, place.watchlist)
        if place.user_id is not None and crowd.users.sign_out(place.user_id, peer):
            self._tell_watchers(crowd, place.user_id, self._voice.watched((), (place.user_id,)))
        if app is not None:
            self._hook(app, HookEvent("disconnected", socket_id=place.socket_id, user_id=place.user_id))

    def subscribe(self, peer: Peer, effect: Subscribe) -> None:
        """Subscribe, answer, and tell the others."""
        place = peer.place
        app = self._app_of(place)
        if app is None or not isinstance(place, ChannelPlace):
            return
        crowd, name, member, voice = place.crowd, effect.channel, effect.member, self._voice
        if effect.kind.private and not self._may_prove_itself(app, crowd, peer):
            return
        refusal = self._why_not(app, place, effect)
        if refusal:
            _refuse(peer, refusal)
            return
        if member is not None:
            self._announce(crowd, name, member)
        crowd.channels.fanout.flush()  # may swap the peer's entry, so it comes before that is asked for
        channel, is_new = crowd.channels.subscribe(name, effect.kind, peer, peer.entry)
        is_first = member is not None and channel.roster is not None and channel.roster.arrive(member) is None
        place.channels[name] = member
        if effect.kind.private:
            self._proved(crowd, peer)
        peer.send(voice.subscribed(channel))
        if crowd.witness is not None:
            saw(peer, Sighting(kind="subscribed", channels=(name,), user=member.user_id if member else ""))
        if is_new:
            self._hook(app, HookEvent("channel_occupied", channel=name))
        if is_first and member is not None:
            self._hook(app, HookEvent("member_added", channel=name, user_id=member.user_id))
        if effect.kind.cached:
            self._replay(app, crowd, peer, name)
        self._tell_count(app, crowd, channel)

    def unsubscribe(self, peer: Peer, effect: Unsubscribe) -> None:
        """End a subscription and tell those who stay."""
        place = peer.place
        if not isinstance(place, ChannelPlace):
            return
        if effect.channel not in place.channels:
            _refuse(peer, self._voice.not_subscribed(effect.channel))
            return
        place.settle(peer)
        member = place.channels.pop(effect.channel)
        saw(peer, Sighting(kind="unsubscribed", channels=(effect.channel,), user=member.user_id if member else ""))
        self._part(self._app_of(place), place.crowd, peer, effect.channel, member)

    def relay(self, peer: Peer, effect: Relay) -> ChannelEvent | None:
        """Deliver a client event, and return what the other nodes are to be told; None when it is refused."""
        place = peer.place
        app = self._app_of(place)
        if app is None or not isinstance(place, ChannelPlace):
            return None
        name = effect.channel
        if name not in place.channels:
            _refuse(peer, self._voice.relay_unsubscribed(name, effect.event))
            return None
        bucket = place.bucket
        if bucket is None:
            bucket = place.bucket = TokenBucket()
        limit = app.settings.client_events_per_second
        if not bucket.take(1, limit, self._clock.monotonic()):
            _refuse(peer, self._voice.relay_too_fast(name, effect.event, limit))
            return None
        member = place.channels[name]
        user_id = None if member is None else member.user_id
        event = ChannelEvent(effect.event, effect.data, (name,), None, place.socket_id, user_id, cached=False)
        self._tell(place.crowd, place.crowd.channels.by_name[name], self._voice.event(name, event), without=peer)
        if place.crowd.witness is not None:
            saw(peer, Sighting(kind="client_event", channels=(name,), event=event.event, data=event.data))
        if app.settings.webhooks:
            socket_id = place.socket_id
            self._hook(app, HookEvent("client_event", name, effect.event, effect.data, socket_id, user_id))
        return event

    def sign_in(self, peer: Peer, effect: SignIn) -> None:
        """Count a socket in as a user's, and tell who watches whom."""
        place = peer.place
        app = self._app_of(place)
        if app is None or not isinstance(place, ChannelPlace):
            return
        if not self._may_prove_itself(app, place.crowd, peer):
            return
        users = place.crowd.users
        place.user_id = effect.user_id
        self._proved(place.crowd, peer)
        saw(peer, Sighting(kind="signed_in"))
        is_first = users.sign_in(effect.user_id, peer)
        if not app.settings.watchlist:
            return
        users.unwatch(peer, place.watchlist)
        place.watchlist = effect.watchlist
        users.watch(peer, place.watchlist)
        if place.watchlist:
            online = [user_id for user_id in place.watchlist if user_id in users]
            offline = [user_id for user_id in place.watchlist if user_id not in users]
            peer.send(self._voice.watched(online, offline))
        if is_first:
            self._tell_watchers(place.crowd, effect.user_id, self._voice.watched((effect.user_id,), ()), but=peer)

    def publish(self, app: App, event: ChannelEvent) -> list[Total]:
        """Deliver an event to this node's subscribers, a total for each channel that has any. Raises PatternError."""
        crowd = self._hub.crowd(app.key)
        channels = crowd.channels
        by_name = channels.by_name
        without = crowd.sockets.get(event.without) if event.without else None
        names: Iterable[str] = event.channels
        if event.pattern is not None:
            names = [channel.name for channel in channels.matching(event.pattern)]
        totals = []
        for name in names:
            channel = by_name.get(name)
            kept = event.cached and (channel.kind if channel is not None else kind_of(name)).cached
            if channel is None and not kept:
                continue
            text = self._voice.event(name, event)
            if kept:
                until = self._clock.monotonic() + app.settings.cache_ttl
                channels.cache.put(name, Cached(text, event.data, until))
            if channel is not None:
                totals.append(self._tell(crowd, channel, text, without=without))
        if crowd.witness is not None:
            crowd.witness.saw(_published(event, totals))
        return totals

    def users_sockets(self, app_key: str, user_id: str) -> list[Peer]:
        """The sockets that are signed in as a user."""
        crowd = self._hub.crowds.get(app_key)
        return [] if crowd is None else list(crowd.users.sockets(user_id))  # type: ignore[arg-type]  # the node's peers

    def _app_of(self, place: object) -> App | None:
        return self._directory.all.get(place.app_key) if isinstance(place, ChannelPlace) else None

    def _why_not(self, app: App, place: ChannelPlace, effect: Subscribe) -> tuple[bytes, ...]:
        """The refusal of a subscription; empty when nothing is in its way."""
        settings, name, member = app.settings, effect.channel, effect.member
        if name in place.channels:
            return self._voice.already_subscribed(name)
        if settings.max_channels and len(place.channels) >= settings.max_channels:
            return self._voice.too_many_channels(name, settings.max_channels)
        channel = place.crowd.channels.by_name.get(name)
        if member is not None and channel is not None and channel.roster is not None:
            roster, limit = channel.roster, settings.max_presence_members
            if member.user_id not in roster and len(roster) >= limit:
                return self._voice.too_many_members(name, limit)
        return ()

    def _announce(self, crowd: Crowd, name: str, member: Member) -> None:
        """Tell those who are on a presence channel already that a user comes, or what it says of itself now."""
        channel = crowd.channels.by_name.get(name)
        if channel is None or channel.roster is None:
            return
        known = channel.roster.get(member.user_id)
        if known is None:
            self._tell(crowd, channel, self._voice.member_added(name, member))
        elif known.info != member.info:
            self._tell(crowd, channel, self._voice.member_updated(name, member))

    def _part(self, app: App | None, crowd: Crowd, peer: Peer, name: str, member: Member | None) -> None:
        """Take a peer off a channel; where the app is no more, nobody is told."""
        channel = crowd.channels.by_name[name]
        is_vacated = crowd.channels.unsubscribe(channel, peer)
        gone = None
        if member is not None and channel.roster is not None:
            gone = channel.roster.depart(member.user_id)
        if app is None:
            return
        if gone is not None:
            self._hook(app, HookEvent("member_removed", channel=name, user_id=gone.user_id))
            if not is_vacated:
                self._tell(crowd, channel, self._voice.member_removed(name, gone))
        if is_vacated:
            self._hook(app, HookEvent("channel_vacated", channel=name))
        self._tell_count(app, crowd, channel)

    def _replay(self, app: App, crowd: Crowd, peer: Peer, name: str) -> None:
        """Give a new subscriber what its cache channel keeps."""
        now = self._clock.monotonic()
        cached = crowd.channels.cache.get(name, now)
        if cached is not None:
            peer.send(cached.text)
            return
        peer.send(self._voice.cache_miss(name))
        if crowd.channels.cache.missed(name, now):
            self._hook(app, HookEvent("cache_miss", channel=name))

    def _tell_count(self, app: App, crowd: Crowd, channel: Channel) -> None:
        """Say how many are subscribed, above a hundred at most every five seconds."""
        if not app.settings.subscription_count or channel.kind.presence or channel.count_due:
            return
        if len(channel.audience) <= _COUNT_AT_ONCE:
            self._count(app, crowd, channel)
            return
        channel.count_due = True
        asyncio.get_running_loop().call_later(_COUNT_EVERY_S, self._count_late, app.key, crowd, channel)

    def _count_late(self, app_key: str, crowd: Crowd, channel: Channel) -> None:
        channel.count_due = False
        app = self._directory.all.get(app_key)
        is_current = crowd.channels.by_name.get(channel.name, channel) is channel  # else another of its name has come
        if is_current and app is not None and app.settings.subscription_count:
            self._count(app, crowd, channel)

    def _count(self, app: App, crowd: Crowd, channel: Channel) -> None:
        count = len(channel.audience)
        if count:
            self._tell(crowd, channel, self._voice.subscription_count(channel.name, count))
        self._hook(app, HookEvent("subscription_count", channel=channel.name, subscription_count=count))

    def _tell(self, crowd: Crowd, channel: Channel, text: bytes, without: object = None) -> Total:
        """Deliver a message to the subscribers of a channel."""
        frame = encode_frame(TEXT, text)
        channels = crowd.channels
        fanout = channels.fanout
        if len(channel.audience) <= fanout.slice_size:
            total = fanout.publish_small(frame, channel.audience, CHANNELS, without)
            self._delivery.handed_over(crowd, fanout, len(frame), total)
            return total

        def publish(done: Done) -> int | None:
            return channels.publish(channel, frame, done, without)

        return self._delivery.hand_over(crowd, fanout, len(frame), publish)

    def _tell_watchers(self, crowd: Crowd, user_id: str, text: bytes, but: Peer | None = None) -> None:
        for watcher in crowd.users.watchers(user_id):
            if watcher is not but:
                watcher.send(text)  # type: ignore[attr-defined]  # the node's peers

    def _may_prove_itself(self, app: App, crowd: Crowd, peer: Peer) -> bool:
        """Whether there is room for one more that counts; a socket for which there is none is closed."""
        if peer in crowd.unproven and not crowd.has_room(app.settings.max_connections):
            peer.close(codes.OVER_QUOTA)
            return False
        return True

    def _proved(self, crowd: Crowd, peer: Peer) -> None:
        """It need not be closed for not saying who it is."""
        timer = crowd.unproven.pop(peer, None)
        if timer is not None:
            timer.cancel()  # type: ignore[attr-defined]  # an asyncio.TimerHandle

    def _hook(self, app: App, event: HookEvent) -> None:
        if app.settings.webhooks:
            self._hooks.happened(app, event)


def _refuse(peer: Peer, texts: tuple[bytes, ...]) -> None:
    for text in texts:
        peer.send(text)
    saw(peer, Sighting(kind="refused", reason=texts[0].decode()))


def _published(event: ChannelEvent, totals: list[Total]) -> Sighting:
    counts = [total for total in totals if isinstance(total, int)]
    return Sighting(
        kind="event",
        channels=event.channels,
        pattern=event.pattern or "",
        event=event.event,
        data=event.data,
        receivers=sum(counts) if len(counts) == len(totals) else None,
    )
