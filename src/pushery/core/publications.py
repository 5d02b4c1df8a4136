"""What a backend wants delivered, and the form it takes between nodes."""

from typing import Final

import msgspec

from pushery.core.encoding import as_msgpack

MAX_EVENT_NAME: Final = 200
"""Characters of an event's name."""


class Publication(msgspec.Struct, frozen=True):
    """One message for some of an app's sockets.

    `text` is the message exactly as clients receive it, UTF-8. `pattern` selects tags (RE2, unanchored); None is
    everybody. `id` names the publication on all nodes; "" until the node has given it one.
    """

    app_key: str
    text: bytes
    pattern: str | None = None
    id: str = ""


class ChannelEvent(msgspec.Struct, frozen=True):
    """One event for the subscribers of channels.

    `data` is the text that receivers get as the event's data. It goes to `channels`, or to all channels whose name
    `pattern` (RE2, unanchored) matches. The socket `without` gets nothing. `user_id` is the member who sent it, where a
    client did. `cached` says whether channels that keep their last event keep it. `id` as in `Publication`.
    """

    event: str
    data: str
    channels: tuple[str, ...] = ()
    pattern: str | None = None
    without: str = ""
    user_id: str | None = None
    cached: bool = True
    id: str = ""


ENVELOPE_VERSION: Final = 2


class Published(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """A publication of node `origin`, for the sockets of the others."""

    version: int
    origin: str
    publication: Publication


class PublishedEvents(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    """Events of node `origin`, for the subscribers on the others."""

    version: int
    origin: str
    app_key: str
    events: tuple[ChannelEvent, ...]


class Terminated(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """A user whose signed-in sockets node `origin` was asked to close: the others close theirs."""

    version: int
    origin: str
    app_key: str
    user_id: str


class Unregistered(msgspec.Struct, frozen=True, array_like=True, tag="u"):
    """An app that node `origin` has just unregistered: the others close its sockets."""

    version: int
    origin: str
    app_key: str


Envelope = Published | PublishedEvents | Terminated | Unregistered

_decoder: msgspec.msgpack.Decoder[Envelope] = msgspec.msgpack.Decoder(Envelope)


def encode_envelope(envelope: Envelope) -> bytes:
    """The envelope as msgpack."""
    return as_msgpack(envelope)


def decode_envelope(data: bytes) -> Envelope | None:
    """The envelope, or None when another version of Pushery wrote it in a way this one does not understand."""
    try:
        envelope = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return envelope if envelope.version == ENVELOPE_VERSION else None
