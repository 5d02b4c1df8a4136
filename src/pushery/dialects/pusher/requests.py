"""What a backend wants published: bodies and parameters become checked values.

Does not know who asks, nor what becomes of the events. Stands on the hot path of every publish. Parameters stand in a
JSON body, whatever its content type, or in the query string; the body beats the query, and null counts as absent.
Source: Pusher Channels protocol, sections 12.2 and 14.

Invariant: whatever comes in, either a value within the app's limits comes out or an `ApiRefusal` is raised.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from pushery.core.appsettings import AppSettings
from pushery.core.channelnames import is_channel_name
from pushery.core.exchange import Request
from pushery.core.once import idempotency_key
from pushery.core.publications import MAX_EVENT_NAME, ChannelEvent
from pushery.dialects.pusher import errors
from pushery.dialects.pusher.signing import Query

RECEIVERS: Final = "receivers"
"""An attribute of ours: to how many sockets an event was handed."""

USER_COUNT: Final = "user_count"
SUBSCRIPTION_COUNT: Final = "subscription_count"
CACHE: Final = "cache"

OF_EVENT: Final = frozenset({USER_COUNT, SUBSCRIPTION_COUNT, CACHE, RECEIVERS})
OF_CHANNEL: Final = frozenset({USER_COUNT, SUBSCRIPTION_COUNT, CACHE})
OF_CHANNELS: Final = frozenset({USER_COUNT, SUBSCRIPTION_COUNT})
"""The attributes one may ask for: with an event, of one channel, of many."""

_RESERVED: Final = ("pusher:", "pusher_internal:", "pushery:")
_SOCKET_ID: Final = re.compile(r"[0-9]+\.[0-9]+").fullmatch
_ABSENT: Final = Raw()
_NO_DATA: Final = (b"", b"null")


class _Event(msgspec.Struct):
    """An event as JSON has it. `data` is kept as it came: most of it is text that goes on unchanged."""

    name: str | None = None
    data: Raw = _ABSENT
    channel: str | None = None
    channels: list[str] | None = None
    channel_pattern: str | None = None
    socket_id: str | None = None
    info: str | None = None


class _Batch(msgspec.Struct):
    batch: list[_Event] | None = None


class _TextEvent(msgspec.Struct):
    """An event whose `data` is a string, as nearly all are: one decoding instead of two."""

    data: str
    name: str | None = None
    channel: str | None = None
    channels: list[str] | None = None
    channel_pattern: str | None = None
    socket_id: str | None = None
    info: str | None = None


class _TextBatch(msgspec.Struct):
    batch: list[_TextEvent]


class Wanted(msgspec.Struct, frozen=True):
    """An event that may be published, and the attributes of its channels that the backend wants to know."""

    event: ChannelEvent
    info: frozenset[str] = frozenset()


T = TypeVar("T")

_event = msgspec.json.Decoder(_Event)
_text_event = msgspec.json.Decoder(_TextEvent)
_text_batch = msgspec.json.Decoder(_TextBatch)
_batch = msgspec.json.Decoder(_Batch)
_text = msgspec.json.Decoder(str)


def read_event(body: bytes, query: Query, settings: AppSettings) -> Wanted:
    """The event that POST /events asks for."""
    sent = _quickly(_text_event, body) or (_decode(_event, body) if body else _Event())
    given = query.values
    name = sent.name if sent.name is not None else given.get("name")
    data = _data_of(sent.data)
    if data is None:
        data = given.get("data")
    socket_id = sent.socket_id if sent.socket_id is not None else given.get("socket_id")
    info = sent.info if sent.info is not None else query.text("info")
    channels = _channels_of(sent, query)
    pattern = sent.channel_pattern if sent.channel_pattern is not None else given.get("channel_pattern")
    if pattern is not None:
        if channels or not pattern:
            text = "Send either channels or a channel_pattern that is not empty"
            raise errors.malformed("invalid_channel_pattern", text)
    elif not channels:
        raise errors.missing("channel")
    return _wanted(name, data, _checked(channels, settings), pattern, socket_id, info, settings)


def read_batch(body: bytes, settings: AppSettings) -> list[Wanted]:
    """The events that POST /batch_events asks for, each for one channel."""
    sent = _quickly(_text_batch, body) or (_decode(_batch, body) if body else _Batch())
    events: Sequence[_Event | _TextEvent] | None = sent.batch
    if not events:
        raise errors.missing("batch")
    if len(events) > settings.max_batch:
        raise errors.too_many_events(len(events), settings.max_batch)
    return [_of_batch(event, settings) for event in events]


def _of_batch(sent: _Event | _TextEvent, settings: AppSettings) -> Wanted:
    if not sent.channel:
        raise errors.missing("channel")
    channels = _checked([sent.channel], settings)
    return _wanted(sent.name, _data_of(sent.data), channels, None, sent.socket_id, sent.info or "", settings)


def read_raw_event(channel: str, body: bytes, query: Query, settings: AppSettings) -> Wanted:
    """The event that the deprecated POST /channels/{name}/events asks for: the body is its data as it stands."""
    try:
        data = body.decode()
    except UnicodeDecodeError:
        raise errors.malformed_body("it has to be UTF-8 text") from None
    name, socket_id = query.values.get("name"), query.values.get("socket_id")
    return _wanted(name, data, _checked([channel], settings), None, socket_id, "", settings)


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        problem = str(error)
    except UnicodeDecodeError:
        problem = "it is not UTF-8"
    except RecursionError:
        problem = "it is nested too deeply"
    raise errors.malformed_body(problem)


def _quickly(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """The usual form; None for anything else, which is then looked at more closely."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _data_of(raw: Raw | str) -> str | None:
    """What receivers get: a JSON string's text, or any other JSON, without its insignificant space, as text. None when
    there is no data, or null.
    """
    if isinstance(raw, str):
        return raw
    text = bytes(raw)
    if text in _NO_DATA:
        return None
    if text[:1] == b'"':
        return _decode(_text, text)
    try:
        return msgspec.json.format(text, indent=-1).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise errors.malformed_body("its data is neither a string nor JSON") from None


def _channels_of(sent: _Event | _TextEvent, query: Query) -> list[str]:
    """The first that is given of: channels and channel in the body, channels[], channels and channel in the query."""
    if sent.channels is not None:
        return sent.channels
    if sent.channel is not None:
        return [sent.channel]
    listed = query.list("channels")
    if listed:
        return listed
    one = query.values.get("channels") or query.values.get("channel")
    return [one] if one else []


def _checked(channels: list[str], settings: AppSettings) -> tuple[str, ...]:
    """The channels' names, each once."""
    if len(channels) > settings.max_event_channels:
        raise errors.too_many_channels(len(channels), settings.max_event_channels)
    for name in channels:
        if not is_channel_name(name):
            raise errors.bad_channel(name)
    return tuple(channels) if len(channels) < 2 else tuple(dict.fromkeys(channels))


def _wanted(
    name: str | None,
    data: str | None,
    channels: tuple[str, ...],
    pattern: str | None,
    socket_id: str | None,
    info: str,
    settings: AppSettings,
) -> Wanted:
    if not name:
        raise errors.missing("name")
    if data is None:
        raise errors.missing("data")
    if len(name) > MAX_EVENT_NAME:
        raise errors.malformed("invalid_event_name", f"An event name has at most {MAX_EVENT_NAME} characters")
    if name.startswith(_RESERVED):
        text = f"Event names that begin with {', '.join(_RESERVED)} are reserved"
        raise errors.malformed("reserved_event_name", text)
    limit = settings.max_event_bytes
    if len(data) > limit or (not data.isascii() and len(data.encode()) > limit):
        raise errors.event_too_large(limit)
    if socket_id is not None and not _SOCKET_ID(socket_id):
        raise errors.malformed("invalid_socket_id", "Invalid socket_id: it is two numbers with a dot between")
    event = ChannelEvent(name, data, channels, pattern, socket_id or "")
    return Wanted(event, read_info(info, OF_EVENT)) if info else Wanted(event)


def read_info(text: str, known: frozenset[str]) -> frozenset[str]:
    """The attributes that `info` asks for."""
    asked = frozenset(name.strip() for name in text.split(",")) - {""}
    if not asked <= known:
        raise errors.malformed("invalid_info", "info should be a comma separated list of attributes")
    return asked


def read_idempotency_key(request: Request) -> str:
    """The Idempotency-Key header, "" when there is none."""
    try:
        return idempotency_key(request)
    except ValueError as error:
        raise errors.malformed("invalid_idempotency_key", str(error)) from None


def read_limit(query: Query, default: int, largest: int) -> int:
    """The `limit` of a page."""
    text = query.values.get("limit", "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= largest):
        raise errors.malformed("invalid_limit", f"limit has to be a whole number from 1 to {largest}")
    return int(text)
