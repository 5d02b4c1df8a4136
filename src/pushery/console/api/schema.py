"""The settings of an app as a page draws them: type, bounds, default, description, and where each belongs.

All but the groups is taken from the settings themselves. Invariant: every setting is in exactly one group (a test
holds that).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pushery.core.appsettings import HOOK_EVENTS, OPERATORS_ONLY, AppSettings

GROUPS: Final = {
    "general": (
        "enabled",
        "gopusher",
        "pusher",
        "user_authentication",
        "watchlist",
    ),
    "channels": (
        "client_events",
        "subscription_count",
        "cache_ttl",
    ),
    "limits": (
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
    ),
    "access": (
        "tls_only",
        "authorized_connections",
        "authorization_timeout",
        "allowed_origins",
        "require_token",
        "token_keys",
        "token_issuer",
        "token_audience",
        "connect_hook",
    ),
    "webhooks": (
        "webhooks",
        "batch_webhooks",
    ),
}
"""The names of settings, in the order in which they are shown."""

_BOUNDS: Final = {
    "minimum": "minimum",
    "maximum": "maximum",
    "maxLength": "max_length",
    "maxItems": "max_items",
}
"""What JSON Schema calls a bound, and what the page does."""


def describe() -> dict[str, object]:
    """All settings, and the names of the events that a webhook may be told of."""
    properties = msgspec.json.schema(AppSettings)["$defs"]["AppSettings"]["properties"]
    rows = [_row(name, group, properties[name]) for group, names in GROUPS.items() for name in names]
    return {"settings": rows, "hook_events": HOOK_EVENTS}


def _row(name: str, group: str, schema: Mapping[str, Any]) -> dict[str, object]:
    items = schema.get("items", {})
    bounds = {**items, **schema}
    return {
        "name": name,
        "type": _type(schema["type"], items),
        "default": schema["default"],
        **{ours: bounds[theirs] for theirs, ours in _BOUNDS.items() if theirs in bounds},
        "description": schema["description"],
        "group": group,
        "operator_only": name in OPERATORS_ONLY,
    }


def _type(name: str, items: Mapping[str, Any]) -> str:
    if name != "array":
        return name
    return "webhooks" if "$ref" in items else "strings"


SCHEMA: Final = msgspec.json.encode(describe())
"""It is the same for everybody, always."""
