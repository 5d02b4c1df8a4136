"""How a dialect with channels says what happens on them: values in, the text of a message out.

The node knows when something is to be said, the dialect how. Every text is UTF-8, ready to be framed.
"""

from collections.abc import Sequence
from typing import Protocol

from pushery.core.channels import Channel, Member
from pushery.core.publications import ChannelEvent


class Voice(Protocol):
    """What the node has the dialect say. A tuple is a refusal: one message after the other, to who asked for it."""

    def event(self, channel: str, event: ChannelEvent) -> bytes:
        """An event as the subscribers of `channel` get it."""

    def subscribed(self, channel: Channel) -> bytes:
        """To a new subscriber, with who is present, itself included."""

    def cache_miss(self, channel: str) -> bytes:
        """To a new subscriber of a cache channel that keeps nothing."""

    def member_added(self, channel: str, member: Member) -> bytes:
        """To all others: a user's first socket has come."""

    def member_updated(self, channel: str, member: Member) -> bytes:
        """To all others: a further socket of a user says something else about the user."""

    def member_removed(self, channel: str, member: Member) -> bytes:
        """To those who are left: a user's last socket has gone."""

    def subscription_count(self, channel: str, count: int) -> bytes:
        """To all: how many sockets are subscribed."""

    def watched(self, online: Sequence[str], offline: Sequence[str]) -> bytes:
        """To a signed-in socket: which of the users it watches are there, and which are not."""

    def already_subscribed(self, channel: str) -> tuple[bytes, ...]:
        """It is subscribed to this channel, and stays so."""

    def not_subscribed(self, channel: str) -> tuple[bytes, ...]:
        """It cannot unsubscribe from this channel."""

    def too_many_channels(self, channel: str, limit: int) -> tuple[bytes, ...]:
        """It is subscribed to as many channels as a socket may be."""

    def too_many_members(self, channel: str, limit: int) -> tuple[bytes, ...]:
        """As many users are present as a channel may have."""

    def relay_unsubscribed(self, channel: str, event: str) -> tuple[bytes, ...]:
        """Its client event is for a channel it is not subscribed to."""

    def relay_too_fast(self, channel: str, event: str, limit: int) -> tuple[bytes, ...]:
        """It sends more client events in a second than `limit`."""
