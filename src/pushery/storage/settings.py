"""An app's settings as the registry's file holds them: a JSON object of those that are not at their default.

Checks types and limits, not the rules that need more (`core.appchanges`). Invariant: members that this version does
not know, which a newer one has written, neither keep a server from starting nor get lost when it writes.
"""

from typing import Any, Final

import msgspec

from pushery.core.appsettings import AppSettings
from pushery.core.ports import StorageError

_KNOWN: Final = frozenset(field.name for field in msgspec.structs.fields(AppSettings))


def decode_settings(text: str) -> AppSettings:
    """The settings; `StorageError` when a known one has a value that it cannot have."""
    known = {name: value for name, value in _members(text).items() if name in _KNOWN}
    try:
        return msgspec.convert(known, AppSettings)
    except msgspec.ValidationError as error:
        raise StorageError(f"its settings do not fit this Pushery, perhaps a newer one wrote them: {error}") from None


def encode_settings(settings: AppSettings, before: str) -> str:
    """The settings as text, with the unknown members of what stood there `before`."""
    unknown = {name: value for name, value in _members(before).items() if name not in _KNOWN}
    return msgspec.json.encode({**msgspec.to_builtins(settings), **unknown}).decode()


def _members(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise StorageError("its settings are not a JSON object: restore them from a backup") from None
