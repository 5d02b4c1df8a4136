"""Names of channels and what they say about the channel. Source: Pusher Channels protocol, section 5.

Invariant: a kind is found by the longest prefix, anchored at the start, dash included.
"""

import re
from typing import Final

import msgspec

MAX_CHANNEL_NAME: Final = 200
"""Characters. The protocol's documents say 164, its libraries let 200 through."""

USER_CHANNEL: Final = "#server-to-user-"
"""The one kind of name that may begin with "#": what the backend sends to one signed-in user."""

_NAME: Final = re.compile(rf"[-a-zA-Z0-9_=@,.;]{{1,{MAX_CHANNEL_NAME}}}")


class ChannelKind(msgspec.Struct, frozen=True):
    """What the beginning of a channel's name promises. `to_user` names a user's own channel."""

    prefix: str
    private: bool = False
    presence: bool = False
    cached: bool = False
    encrypted: bool = False
    to_user: bool = False

    @property
    def client_events(self) -> bool:
        """Whether clients may send events on it; the payloads of encrypted channels are the backend's alone."""
        return self.private and not self.encrypted


PUBLIC: Final = ChannelKind("")
_KINDS: Final = (
    ChannelKind("private-encrypted-cache-", private=True, encrypted=True, cached=True),
    ChannelKind("private-encrypted-", private=True, encrypted=True),
    ChannelKind("private-cache-", private=True, cached=True),
    ChannelKind("private-", private=True),
    ChannelKind("presence-cache-", private=True, presence=True, cached=True),
    ChannelKind("presence-", private=True, presence=True),
    ChannelKind("cache-", cached=True),
    ChannelKind(USER_CHANNEL, to_user=True),
)
KINDS: Final = (*_KINDS, PUBLIC)
_FIRST: Final = frozenset(kind.prefix[0] for kind in _KINDS)


def kind_of(name: str) -> ChannelKind:
    """The kind of a channel with a valid name."""
    if name[0] in _FIRST:
        for kind in _KINDS:
            if name.startswith(kind.prefix):
                return kind
    return PUBLIC


def is_channel_name(name: str) -> bool:
    """Whether a channel may be called so."""
    if name.startswith(USER_CHANNEL):
        return len(USER_CHANNEL) < len(name) <= MAX_CHANNEL_NAME
    return _NAME.fullmatch(name) is not None
