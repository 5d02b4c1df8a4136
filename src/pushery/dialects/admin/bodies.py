"""The JSON bodies of the admin API, in and out. The OpenAPI document is made from these types.

Rules that need more than a type and a limit stand in `core.appchanges`.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pushery.core.appchanges import MAX_NAMED, MAX_SECRET
from pushery.core.apps import MAX_NAME
from pushery.core.appsettings import AppSettings

_Text = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Name = Annotated[_Text, Meta(description="What people call the app; printable characters.")]
_Account = Annotated[_Text, Meta(description="The account of the app's own admin; without a colon.")]
_Password = Annotated[_Text, Meta(description="The password of the app's own admin.")]
_Named = Annotated[str, Meta(min_length=1, max_length=MAX_NAMED, extra_json_schema={"pattern": "^[A-Za-z0-9_-]+$"})]
_Visible = Annotated[str, Meta(min_length=1, max_length=MAX_SECRET, extra_json_schema={"pattern": "^[!-~]+$"})]
_Key = Annotated[_Named, Meta(description="A key to keep, for an app that comes from another server.")]
_Id = Annotated[_Named, Meta(description="An id to keep, for an app that comes from another server.")]
_Secret = Annotated[_Visible, Meta(description="A secret to keep, for an app that comes from another server.")]
_Unix = Annotated[int, Meta(description="Unix time in milliseconds.")]


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new app. The account defaults to the name; password, key, id and secret are drawn where none is given."""

    name: _Name
    auth_account: _Account | UnsetType = UNSET
    auth_password: _Password | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType | None = UNSET
    app_key: _Key | UnsetType = UNSET
    app_id: _Id | UnsetType = UNSET
    app_secret: _Secret | UnsetType = UNSET


class AppPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of an app; the rest stays. A setting that is null goes back to its default (RFC 7396)."""

    name: _Name | UnsetType = UNSET
    auth_account: _Account | UnsetType = UNSET
    auth_password: _Password | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType | None = UNSET


class AppKey(msgspec.Struct, frozen=True):
    """A key that clients connect with, and the secret that the app's backend signs with."""

    key: str
    secret: str
    created_ms: _Unix


class AppView(msgspec.Struct, frozen=True, kw_only=True):
    """An app. `app_key` is what it is called as long as it lives; `keys` are those that are valid, the oldest first."""

    app_key: str
    app_id: str
    name: str
    auth_account: str
    auth_password: str
    request_ip: Annotated[str, Meta(description="Who registered it, as ip:port.")]
    registered_ms: _Unix
    keys: tuple[AppKey, ...]
    settings: AppSettings


class AppPage(msgspec.Struct, frozen=True):
    """Some of the apps, in order of registration. `total` counts all of them."""

    total: int
    limit: int
    offset: int
    apps: tuple[AppView, ...]


class Removed(msgspec.Struct, frozen=True):
    """The app that is no more."""

    app_key: str


class ReloadReport(msgspec.Struct, frozen=True):
    """What came of loading the settings anew.

    With problems nothing has changed; but where only the certificate cannot be used, the rest has.
    """

    applied: Annotated[tuple[str, ...], Meta(description="Names of the settings that have changed and hold now.")]
    need_restart: Annotated[tuple[str, ...], Meta(description="Names of those that wait for a restart.")]
    problems: Annotated[tuple[str, ...], Meta(description="What is wrong, one line each.")]


class Caller(msgspec.Struct, frozen=True):
    """Who is asking, as the server sees it, and what it was told about that, believed or not."""

    address: Annotated[str, Meta(description="ip:port; port 0 where a trusted proxy does not tell it.")]
    secure: Annotated[bool, Meta(description="Whether the caller has come by TLS.")]
    x_forwarded_for: Annotated[str, Meta(description="The header as it arrived; empty when there was none.")]
    x_forwarded_proto: Annotated[str, Meta(description="The header as it arrived; empty when there was none.")]
    forwarded: Annotated[str, Meta(description="The header as it arrived; empty when there was none.")]


class ErrorDetail(msgspec.Struct, frozen=True):
    """Why: `code` for programs, `message` for people."""

    code: str
    message: str
    parameter: Annotated[str, Meta(description="The parameter that is wrong.")] | UnsetType = UNSET
    problems: Annotated[list[str], Meta(description="All that is wrong with settings.")] | UnsetType = UNSET


class Error(msgspec.Struct, frozen=True):
    """The one shape of errors."""

    error: ErrorDetail
