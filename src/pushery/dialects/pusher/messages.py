"""The messages a client gets, as text: the double encoding, and the one exception to it.

Source: Pusher Channels protocol, sections 2 to 9. Invariant: every message has `data`, which is a string holding JSON
for all but `pusher:error`, where it is an object.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from pushery.core.channels import Channel, Member
from pushery.core.encoding import as_json
from pushery.core.publications import ChannelEvent

RATE_LIMITED: Final = 4301
WATCHLIST_TOO_LONG: Final = 4302
"""Codes of errors that leave the connection open; they are never used for closing."""


PONG: Final = b'{"event":"pusher:pong","data":"{}"}'
PING: Final = b'{"event":"pusher:ping","data":"{}"}'


def system(event: bytes, channel: str, data: bytes) -> bytes:
    """A message about a channel; `data` is JSON, encoded once more here."""
    return b'{"event":"%b","channel":%b,"data":%b}' % (event, as_json(channel), as_json(data.decode()))


def established(socket_id: str, activity_timeout_s: int) -> bytes:
    """The first message on every connection."""
    data = f'{{"socket_id":"{socket_id}","activity_timeout":{activity_timeout_s}}}'
    return b'{"event":"pusher:connection_established","data":%b}' % as_json(data)


def signin_success(user_data: str) -> bytes:
    """The sign-in was accepted; `user_data` goes back exactly as it came."""
    data = b'{"user_data":%b}' % as_json(user_data)
    return b'{"event":"pusher:signin_success","data":%b}' % as_json(data.decode())


def error(code: int | None, message: str, channel: str | None = None) -> bytes:
    """An error. Without a code it is about one message, with one about the connection or a limit."""
    data: dict[str, object] = {"event": "pusher:error", "data": {"code": code, "message": message}}
    if channel is not None:
        data["channel"] = channel
    return as_json(data)


def subscription_error(channel: str, kind: str, message: str, status: int) -> tuple[bytes, bytes]:
    """A subscription that was refused: once for the connection, once for the channel object of the client."""
    data = as_json({"type": kind, "error": message, "status": status})
    return error(None, message), system(b"pusher:subscription_error", channel, data)


def event_rejected(channel: str, event: str, message: str, code: int | None = None) -> tuple[bytes, bytes]:
    """A client event that was refused: an error, and a notice on the channel that says which event it was."""
    data = as_json({"event": event, "error": message, "code": code})
    return error(code, message, channel), system(b"pushery:client_event_rejected", channel, data)


class _Event(msgspec.Struct, omit_defaults=True):
    event: str
    channel: str
    data: str
    user_id: str | None = None


class PusherVoice:
    """How the Pusher dialect says what happens on channels: implements `core.voice.Voice`."""

    def event(self, channel: str, event: ChannelEvent) -> bytes:
        """Protocol 2; with the sender's `user_id` for client events on presence channels (8)."""
        return as_json(_Event(event.event, channel, event.data, event.user_id))

    def subscribed(self, channel: Channel) -> bytes:
        """Protocol 7 and 7.1."""
        if channel.roster is None:
            data = b"{}"
        else:
            members = channel.roster.members
            ids = b",".join([member.raw_id for member in members])
            rows = b",".join([b"%b:%b" % (as_json(member.user_id), member.info) for member in members])
            data = b'{"presence":{"ids":[%b],"hash":{%b},"count":%d}}' % (ids, rows, len(members))
        return system(b"pusher_internal:subscription_succeeded", channel.name, data)

    def cache_miss(self, channel: str) -> bytes:
        """Protocol 7.2."""
        return system(b"pusher:cache_miss", channel, b"{}")

    def member_added(self, channel: str, member: Member) -> bytes:
        """Protocol 7.1."""
        return system(b"pusher_internal:member_added", channel, _described(member))

    def member_updated(self, channel: str, member: Member) -> bytes:
        """Ours: pusher-js hands it to whoever has bound it on the channel."""
        return system(b"pushery:member_updated", channel, _described(member))

    def member_removed(self, channel: str, member: Member) -> bytes:
        """Protocol 7.1."""
        return system(b"pusher_internal:member_removed", channel, b'{"user_id":%b}' % member.raw_id)

    def subscription_count(self, channel: str, count: int) -> bytes:
        """Protocol 7.3."""
        return system(b"pusher_internal:subscription_count", channel, b'{"subscription_count":%d}' % count)

    def watched(self, online: Sequence[str], offline: Sequence[str]) -> bytes:
        """Protocol 9, in the form that pusher-js reads."""
        events = [{"name": name, "user_ids": ids} for name, ids in (("online", online), ("offline", offline)) if ids]
        data = as_json({"events": events}).decode()
        return b'{"event":"pusher_internal:watchlist_events","data":%b}' % as_json(data)

    def already_subscribed(self, channel: str) -> tuple[bytes, ...]:
        """Protocol 4: an error without a code."""
        return (error(None, f"Existing subscription to channel {channel}"),)

    def not_subscribed(self, channel: str) -> tuple[bytes, ...]:
        """Protocol 4: an error without a code."""
        return (error(None, f"No current subscription to channel {channel}, or subscription in progress"),)

    def too_many_channels(self, channel: str, limit: int) -> tuple[bytes, ...]:
        """Ours: `max_channels` of the app."""
        message = f"A connection of this app can be subscribed to {limit} channels: unsubscribe from one first."
        return subscription_error(channel, "LimitReached", message, 4100)

    def too_many_members(self, channel: str, limit: int) -> tuple[bytes, ...]:
        """Protocol 7.1, with the status that other servers send."""
        message = f"The channel {channel} has reached its limit of {limit} members."
        return subscription_error(channel, "LimitReached", message, 4100)

    def relay_unsubscribed(self, channel: str, event: str) -> tuple[bytes, ...]:
        """Protocol 8: the sender is a subscriber."""
        return event_rejected(channel, event, f"Client event rejected - you are not subscribed to {channel}")

    def relay_too_fast(self, channel: str, event: str, limit: int) -> tuple[bytes, ...]:
        """Protocol 8: 4301, which closes nothing."""
        message = f"Client event rejected - you may send {limit} client events per second"
        return event_rejected(channel, event, message, RATE_LIMITED)


def _described(member: Member) -> bytes:
    return b'{"user_id":%b,"user_info":%b}' % (member.raw_id, member.info)
