"""What a webhook request says and who wants it, as values (Pusher Channels protocol, section 13).

Sends nothing. Invariant: the body is signed as it is sent, byte for byte, with the app's oldest valid key.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

import pushery
from pushery.core.apps import KeyPair
from pushery.core.appsettings import Webhook
from pushery.core.hookevents import ARRIVALS, DEPARTURES, OURS, HookEvent

USER_AGENT: Final = f"Pushery/{pushery.__version__}"

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # section 5.5, as far as Latin-1 reaches
_OURS: Final = frozenset(
    {"content-type", "content-length", "host", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer"}
)


def wants(hook: Webhook, event: HookEvent) -> bool:
    """Whether the filters of a webhook let an event through.

    A webhook that names no events wants those of the protocol. An event without a channel passes no channel filter.
    """
    if event.name not in hook.events if hook.events else event.name in OURS:
        return False
    channel = event.channel
    if channel is None:
        return not hook.channel_prefix and not hook.channel_suffix
    return channel.startswith(hook.channel_prefix) and channel.endswith(hook.channel_suffix)


def follows(hooks: Iterable[Webhook], event: HookEvent) -> bool:
    """Whether any of the webhooks wants this arrival or departure, or its counterpart."""
    counterpart = ARRIVALS.get(event.name) or DEPARTURES[event.name]
    other = msgspec.structs.replace(event, name=counterpart)
    return any(wants(hook, event) or wants(hook, other) for hook in hooks)


def urls(hooks: Iterable[Webhook], event: HookEvent) -> list[str]:
    """Where an event is to be told; every URL once, however many webhooks lead there."""
    return list(dict.fromkeys(hook.url for hook in hooks if wants(hook, event)))


def lane_of(event: HookEvent) -> str:
    """What an event must keep its order with: its channel's events, or its socket's when it has no channel.

    The space keeps sockets apart from channels, whose names have none.
    """
    return event.channel if event.channel is not None else f" {event.socket_id or ''}"


def body(time_ms: int, events: Sequence[bytes]) -> bytes:
    """The compact JSON of a request; `events` are encoded already. `time_ms` is when the first of them happened."""
    return b'{"time_ms":%d,"events":[%s]}' % (time_ms, b",".join(events))


def headers(pair: KeyPair, content: bytes) -> dict[str, str]:
    """Our headers of a request with this body."""
    return {
        "Content-Type": "application/json",  # a client library compares the whole value
        "X-Pusher-Key": pair.key,
        "X-Pusher-Signature": hmac.new(pair.secret.encode(), content, hashlib.sha256).hexdigest(),
    }


def own_headers(wanted: Mapping[str, str]) -> dict[str, str]:
    """The webhook's own headers: those that are ours to set, and what is no header, are left out."""
    own = {name: value for name, value in wanted.items() if _may_set(name, value)}
    return own if any(name.lower() == "user-agent" for name in own) else {**own, "User-Agent": USER_AGENT}


def _may_set(name: str, value: str) -> bool:
    lower = name.lower()
    is_ours = lower in _OURS or lower.startswith("x-pusher-")
    return not is_ours and bool(_TOKEN.fullmatch(name)) and bool(_VALUE.fullmatch(value))


def shown(url: str) -> str:
    """A URL for the log: without an account, a password or a query, in which secrets stand."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not a URL)"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"
