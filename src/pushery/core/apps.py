"""An app: one tenant of the server, with its own key, administrator and sockets."""

from typing import Final

import msgspec

MAX_NAME: Final = 200
"""Characters of an app's name, account and password each."""


class AppDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An app as somebody asks for it, before the registry has given it its place.

    `key` is 32 lower-case hex characters, `secret` 20 bytes as hex; both come from an `IdSource`.
    `request_ip` is "ip:port" of whoever asked. `registered_ms` is unix time in milliseconds.
    """

    key: str
    secret: str
    name: str
    auth_account: str
    auth_password: str
    request_ip: str
    registered_ms: int


class App(AppDraft, frozen=True, kw_only=True):
    """A registered app. `id` is decimal digits, unique for ever, rising in order of registration."""

    id: str
