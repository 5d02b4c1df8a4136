"""What may become of an app: the rules that the command line and the admin API share.

Types and limits of settings stand with the settings (`core.appsettings`); here is what needs more than those. Nothing
here writes anything. Invariant: an app that comes out has at least one key, and settings without `problems`.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from pushery.core.apps import MAX_NAME, App, KeyPair
from pushery.core.appsettings import HOOK_EVENTS, AppSettings, Webhook
from pushery.core.exchange import Refusal
from pushery.core.tokenkeys import token_key_problems

MAX_NAMED: Final = 64
"""Characters of an app's key and of its id. Those of Pusher's, Reverb's and ours have 20 to 32."""

MAX_SECRET: Final = 128
"""Characters of a secret. Pusher's and Reverb's have 20."""

RESERVED: Final = frozenset(
    (
        *("api", "app", "apps", "console", "healthz", "metrics", "readyz", "users", "ws"),
        *("admin", "app-list", "push", "register"),
    )
)
"""No app is called so: these words begin the server's own paths, or stand in them where a key may."""

MAX_KEYS: Final = 5
"""Valid keys of one app. Two are enough to rotate; more are for backends that follow at their own pace."""

SETTING_NAMES: Final = tuple(field.name for field in msgspec.structs.fields(AppSettings))

_TYPES: Final[Mapping[str, Any]] = {field.name: field.type for field in msgspec.structs.fields(AppSettings)}
_NAMED: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAMED}}}")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 5.6.2"""

_OURS: Final = frozenset(
    ("host", "connection", "content-length", "content-type", "content-encoding", "transfer-encoding", "expect")
)
"""Headers that say how the request is sent, which its sender decides."""


class SettingsError(Exception):
    """Settings cannot be changed so. Every one of `problems` is a line for whoever asked."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def change_settings(settings: AppSettings, patch: Mapping[str, object]) -> AppSettings:
    """The settings with the members of `patch` put in, and those that are None put back to their default.

    A merge as in RFC 7396; lists are replaced as a whole. Raises SettingsError with all that is wrong.
    """
    problems, values = [], {}
    for name, value in patch.items():
        if name not in _TYPES:
            problems.append(unknown_setting(name))
        elif value is None:
            values[name] = getattr(AppSettings(), name)
        else:
            try:
                values[name] = msgspec.convert(value, _TYPES[name])
            except msgspec.ValidationError as error:
                problems.append(_readable(name, error))
    changed = replace(settings, **values)
    problems += problems_of(changed)
    if problems:
        raise SettingsError(problems)
    return changed


def unknown_setting(name: str) -> str:
    """What to say of a setting that is none."""
    [*similar] = difflib.get_close_matches(name, SETTING_NAMES, n=1)
    return f"there is no setting {name!r}" + (f"; did you mean {similar[0]!r}?" if similar else "")


def problems_of(settings: AppSettings) -> list[str]:
    """What is wrong with settings although their types and limits are kept; empty when nothing is."""
    problems = [f"allowed_origins: {problem}" for problem in map(_origin_problem, settings.allowed_origins) if problem]
    problems += token_key_problems(settings.token_keys)
    if settings.connect_hook and not is_web_url(settings.connect_hook):
        problems.append(f"connect_hook: {settings.connect_hook!r} is not an http or https URL with a host")
    for number, webhook in enumerate(settings.webhooks):
        problems += (f"webhooks[{number}]: {problem}" for problem in _webhook_problems(webhook))
    return problems


def text_problem(what: str, value: str) -> str | None:
    """What is wrong with an app's name, account or password (`what`), None when nothing is."""
    if not (0 < len(value) <= MAX_NAME and value.isprintable()):
        return f"the {what} of an app has 1 to {MAX_NAME} printable characters"
    if what == "account" and ":" in value:  # HTTP Basic auth ends it there (RFC 7617)
        return "the account of an app must not contain ':'"
    return None


def given_problem(what: str, value: str) -> str | None:
    """What is wrong with the key, id or secret (`what`) that somebody gives an app; None when nothing is.

    Keys and ids stand in paths, in names of channels, in headers and before the colon of a proof.
    """
    if what == "secret":
        fits = 0 < len(value) <= MAX_SECRET and value.isascii() and value.isprintable() and " " not in value
        return None if fits else f"the secret of an app has 1 to {MAX_SECRET} visible ASCII characters"
    if not _NAMED.fullmatch(value):
        return f"the {what} of an app has 1 to {MAX_NAMED} letters, digits, '-' and '_'"
    if value in RESERVED:
        return f"the {what} of an app cannot be {value!r}, a word that the server's own paths are made of"
    return None


def key_taken(key: str) -> Refusal:
    """Why no app is registered with this key: it is another app's, or was its first one."""
    message = f"The key {key} belongs to an app here, or did at first: take another one, or remove that app."
    return Refusal(409, "key_taken", message, parameter="app_key")


def id_taken(app_id: str) -> Refusal:
    """Why no app is registered with this id."""
    message = f"The id {app_id} belongs to an app here: take another one, or remove that app."
    return Refusal(409, "id_taken", message, parameter="app_id")


def add_key(app: App, pair: KeyPair) -> App:
    """The app with a further pair, which is valid beside those it has. Refused when it has `MAX_KEYS`."""
    if len(app.keys) >= MAX_KEYS:
        raise Refusal(
            409, "too_many_keys", f"An app has at most {MAX_KEYS} keys: revoke one that is not used any more."
        )
    return replace(app, keys=(*app.keys, pair))


def revoke_key(app: App, key: str) -> App:
    """The app without one of its pairs. Refused when it is the last, or not one of them."""
    kept = tuple(pair for pair in app.keys if pair.key != key)
    if len(kept) == len(app.keys):
        raise Refusal(404, "unknown_key", f"The app has no key {key}.")
    if not kept:
        raise Refusal(409, "last_key", "This is the app's last key: rotate first, then revoke it.")
    return replace(app, keys=kept)


def _readable(name: str, error: msgspec.ValidationError) -> str:
    """msgspec's message with the setting's name in place of its path."""
    reason, _, path = str(error).partition(" - at `$")
    text = f"{name}{path.rstrip('`')}: {reason[:1].lower()}{reason[1:].replace('`', '')}"
    return "".join(letter if letter.isprintable() else "?" for letter in text)  # it may quote what was sent


def _origin_problem(origin: str) -> str | None:
    scheme, mark, host = origin.rpartition("://")
    if not host or not (origin.isascii() and origin.isprintable()) or any(letter in host for letter in "/, "):
        return f"{origin!r} is not a host such as 'example.com' or '*.example.com'"
    if ":" in host and not mark and not host.startswith("["):
        return f"{origin!r} has a port: name the host alone, or the whole origin with its https://"
    if mark and scheme not in ("http", "https"):
        return f"{origin!r} does not begin with http:// or https://"
    return None


def _webhook_problems(webhook: Webhook) -> Iterator[str]:
    if not is_web_url(webhook.url):
        yield f"{webhook.url!r} is not an http or https URL with a host"
    for event in webhook.events:
        if event not in HOOK_EVENTS:
            yield f"there is no event {event!r}; the events are {', '.join(HOOK_EVENTS)}"
    for name, value in webhook.headers.items():
        if not _TOKEN.fullmatch(name):
            yield f"{name!r} is not the name of a header"
        elif name.lower() in _OURS or name.lower().startswith("x-pusher-"):
            yield f"the header {name!r} is set by the server"
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            yield f"the value of the header {name!r} has characters that cannot be sent"


def is_web_url(url: str) -> bool:
    """Whether requests can be sent to this URL."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        return False
