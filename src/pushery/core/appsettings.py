"""What an operator decides about one app, while the server runs. Values only: who applies a setting is said with it.

Every field has a default that fits most, a plain name for the command line, and limits that `msgspec` checks; the
descriptions here are the ones in the admin API and in the docs.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

HOOK_EVENTS: Final = (
    "channel_occupied",
    "channel_vacated",
    "member_added",
    "member_removed",
    "client_event",
    "cache_miss",
    "subscription_count",
    "connected",
    "disconnected",
)
"""What a webhook can tell: seven as in the Pusher protocol (section 13), and two of ours."""

MAX_KEY_TEXTS: Final = 16
MAX_KEY_TEXT: Final = 16 * 1024
"""Characters of a text with public keys: a key set of sixteen large RSA keys has less."""

MAX_URL: Final = 2000
"""Characters of a URL."""

_Name = Annotated[str, Meta(max_length=200)]


OPERATORS_ONLY: Final = frozenset(
    (
        "enabled",
        "max_connections",
        "max_channels",
        "max_presence_members",
        "max_member_bytes",
        "max_event_bytes",
        "max_event_channels",
        "max_batch",
        "events_per_second",
        "client_events_per_second",
        "max_client_event_bytes",
        "cache_ttl",
    )
)
"""Settings that say how much of the server an app may use: its own admin can see and not change them."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where an app's backend wants to be told what happens, and about what."""

    url: Annotated[str, Meta(max_length=MAX_URL, description="An http or https URL that takes POST requests.")]
    events: Annotated[
        tuple[str, ...],
        Meta(
            max_length=len(HOOK_EVENTS),
            description="Names of the events to send; empty sends the seven of the Pusher protocol, not "
            "`connected` and `disconnected`.",
        ),
    ] = ()
    channel_prefix: Annotated[_Name, Meta(description="Only channels whose names begin so.")] = ""
    channel_suffix: Annotated[_Name, Meta(description="Only channels whose names end so.")] = ""
    headers: Annotated[dict[str, str], Meta(max_length=20, description="Further headers of the request.")] = {}


class AppSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One app's settings. Sizes are bytes, times are seconds; 0 of a limit means none where it says so."""

    enabled: Annotated[bool, Meta(description="Off: sockets are refused and backends answered 403.")] = True
    gopusher: Annotated[bool, Meta(description="Whether the app speaks the GoPusher dialect.")] = True
    pusher: Annotated[bool, Meta(description="Whether the app speaks the Pusher Channels protocol.")] = True
    tls_only: Annotated[
        bool,
        Meta(description="Refuse Pusher sockets without TLS (4000); a trusted proxy tells by X-Forwarded-Proto."),
    ] = False

    client_events: Annotated[bool, Meta(description="Whether clients may send client events.")] = False
    subscription_count: Annotated[bool, Meta(description="Tell subscribers of a channel how many they are.")] = False
    user_authentication: Annotated[bool, Meta(description="Whether clients may sign in as a user.")] = False
    watchlist: Annotated[bool, Meta(description="Tell signed-in users when those they watch come and go.")] = False
    authorized_connections: Annotated[
        bool, Meta(description="Close Pusher sockets that neither sign in nor subscribe with a signature (4009).")
    ] = False
    authorization_timeout: Annotated[
        float, Meta(ge=0.1, le=3600, description="Seconds such a socket has for that.")
    ] = 30.0

    max_connections: Annotated[int, Meta(ge=0, le=10_000_000, description="Sockets at a time; 0: any.")] = 0
    max_channels: Annotated[int, Meta(ge=0, le=1_000_000, description="Channels of one socket; 0: any.")] = 1000
    max_presence_members: Annotated[int, Meta(ge=1, le=100_000, description="Users of one presence channel.")] = 100
    max_member_bytes: Annotated[
        int, Meta(ge=1, le=1_048_576, description="Bytes of one presence member's user_info.")
    ] = 1024
    max_event_bytes: Annotated[int, Meta(ge=1, le=1_048_576, description="Bytes of one event's data.")] = 10_240
    max_event_channels: Annotated[int, Meta(ge=1, le=10_000, description="Channels of one event.")] = 100
    max_batch: Annotated[int, Meta(ge=1, le=1000, description="Events of one batch.")] = 10
    events_per_second: Annotated[
        int, Meta(ge=0, le=10_000_000, description="Events backends may publish, over channels; 0: any.")
    ] = 0
    client_events_per_second: Annotated[int, Meta(ge=1, le=1_000_000, description="Client events of one socket.")] = 10
    max_client_event_bytes: Annotated[
        int, Meta(ge=1, le=1_048_576, description="Bytes of one client event's data.")
    ] = 10_240
    cache_ttl: Annotated[int, Meta(ge=1, le=86_400, description="Seconds a cache channel keeps its last event.")] = 1800
    allowed_origins: Annotated[
        tuple[_Name, ...],
        Meta(
            max_length=100,
            description="Hosts of pages that may open sockets, `*` for any part; empty allows all. A client that "
            "names no origin is not a page, and is let in.",
        ),
    ] = ()
    require_token: Annotated[
        bool, Meta(description="Refuse clients without a valid connect token that expires some time.")
    ] = False
    token_keys: Annotated[
        tuple[Annotated[str, Meta(max_length=MAX_KEY_TEXT)], ...],
        Meta(
            max_length=MAX_KEY_TEXTS,
            description="Public keys that connect tokens may be signed with, as PEM or as a JSON Web Key Set each; "
            "the app's secrets always may be.",
        ),
    ] = ()
    token_issuer: Annotated[_Name, Meta(description="The `iss` that connect tokens must have; empty: any.")] = ""
    token_audience: Annotated[
        _Name, Meta(description="The `aud` that connect tokens must have; empty: none, or a key of the app.")
    ] = ""
    connect_hook: Annotated[
        str,
        Meta(
            max_length=MAX_URL,
            description="An http or https URL that is asked for each GoPusher client, with its `token`, and answers "
            "with the tag that it may have; empty: nobody is asked.",
        ),
    ] = ""

    webhooks: Annotated[tuple[Webhook, ...], Meta(max_length=20, description="Where to tell what happens.")] = ()
    batch_webhooks: Annotated[bool, Meta(description="Send several events in one request when they queue up.")] = False
