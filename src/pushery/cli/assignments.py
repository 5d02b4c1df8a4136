"""What `pushery app set` is given, as values: "max_batch=20", "webhooks=https://example.com/hook", "max_batch=".

Finds out what kind of value a text is meant to be; whether a setting may have it says `core.appchanges`. Keys, which
are too long to be typed, are read from files: "token_keys=@public.pem".
"""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import fields

from pushery.core.appchanges import SETTING_NAMES, SettingsError, unknown_setting
from pushery.core.appsettings import MAX_KEY_TEXT, AppSettings, Webhook

_DEFAULTS: Final[Mapping[str, Any]] = {field.name: field.default for field in fields(AppSettings)}
_WORDS: Final = {
    **dict.fromkeys(("true", "on", "yes", "1"), True),
    **dict.fromkeys(("false", "off", "no", "0"), False),
}
_SIMPLE: Final = re.compile(r"[^\s,{]*")
"""What may stand in a list with commas. Keys are in PEM or JSON, which is longer than that."""

_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")


def parse_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """The members of a patch for `change_settings`; None stands for "back to the default".

    Raises SettingsError with a line for every text that cannot be read.
    """
    patch: dict[str, Any] = {}
    problems: list[str] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if name not in _DEFAULTS:
            problems.append(f"{unknown_setting(name)} (there are: {', '.join(SETTING_NAMES)})")
        elif not equals:
            problems.append(f"{name} has no value: write {name}=VALUE, or {name}= for its default")
        elif name in patch:
            problems.append(f"{name} is given twice")
        else:
            try:
                patch[name] = _parse(name, value) if value else None
            except ValueError as error:
                patch[name] = None
                problems.append(f"{name}: {error}")
    if problems:
        raise SettingsError(problems)
    return patch


def value_text(value: object) -> str:
    """A setting's value as one may write it behind the `=`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, tuple):
        if all(isinstance(item, str) and _SIMPLE.fullmatch(item) for item in value):
            return ",".join(value)
        if all(isinstance(item, Webhook) and item == Webhook(url=item.url) and "," not in item.url for item in value):
            return ",".join(item.url for item in value)
        return msgspec.json.encode(value).decode()
    return str(value)


def _parse(name: str, text: str) -> object:
    default = _DEFAULTS[name]
    if isinstance(default, bool):
        if text.lower() not in _WORDS:
            raise ValueError(f"{text!r} is neither true nor false")
        return _WORDS[text.lower()]
    if isinstance(default, int):
        if not _WHOLE_NUMBER.fullmatch(text):
            raise ValueError(f"{text!r} is not a whole number")
        return int(text)
    if isinstance(default, float):
        return _parse_number(text)
    if isinstance(default, str):
        return text
    if name == "token_keys":
        return _parse_keys(text)
    is_json = text.lstrip().startswith("[")
    items = _parse_list(text) if is_json else [item.strip() for item in text.split(",")]
    return [{"url": item} if isinstance(item, str) else item for item in items] if name == "webhooks" else items


def _parse_keys(text: str) -> list[Any]:
    """Keys in a JSON array, the text of one, or the names of files with keys, each behind an "@"."""
    if text.lstrip().startswith("["):
        return _parse_list(text)
    if not text.startswith("@"):
        return [text]
    return [_read_key(name.strip()) for name in text.split(",")]


def _read_key(name: str) -> str:
    if not name.startswith("@"):
        raise ValueError(f"{name!r} has no @ before it, as the names of files have")
    try:
        with Path(name[1:]).open(encoding="ascii") as file:
            return file.read(MAX_KEY_TEXT + 1)
    except OSError as error:
        raise ValueError(f"{name[1:]} cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise ValueError(f"{name[1:]} is neither PEM nor JSON") from None


def _parse_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a number")
    return number


def _parse_list(text: str) -> list[Any]:
    try:
        return msgspec.json.decode(text, type=list[Any])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise ValueError("begins with '[' but is not a JSON array") from None
