"""Writes the text of a fresh configuration file, which is also the manual an operator reads first.

Draws no password and touches no file: `pushery init` does. Invariant: the text loads, and so does the text with
every commented-out setting taken into use, to the same settings.
"""

import json
import re
import textwrap
from typing import Final

from pushery.config.declaration import Setting
from pushery.config.kinds import Count, Seconds, Size
from pushery.config.settings import SETTINGS

WIDTH: Final = 110
_INDENT: Final = "    "
_NO_BREAK: Final = "\u00a0"
_ACCOUNT: Final = "admin"
_LIVE: Final = ("auth_account", "auth_password", "environment", "logdir", "listen", "sqldir")
"""The keys of GoPusher's README; all others are commented out."""

_HEAD: Final = """\
// Pushery's settings: JSON with comments, where a comma may follow the last entry.
// An environment variable (PUSHERY_LISTEN) wins over this file, a flag (--listen) over both.
"""
_BREAK: Final = """\
The rest is commented out and shows the defaults: take the // away from a line to change its setting. \
Sizes are bytes or have a unit (512, "64KiB", "1MiB"), and so do times ("500ms", "10s", "2m").
"""


def render_default_config(auth_password: str) -> str:
    """The commented default.json, with `auth_password` in it: keep the file from others' eyes."""
    if not auth_password:
        raise ValueError("the super admin's password must not be empty")
    given = {"auth_account": _ACCOUNT, "auth_password": auth_password}
    by_name = {setting.name: setting for setting in SETTINGS}
    live = [_entry(by_name[name], given.get(name, by_name[name].default)) for name in _LIVE]
    others = [_entry(setting, setting.default, "//") for setting in SETTINGS if setting.name not in _LIVE]
    return _HEAD + "{\n" + "\n".join([*live, _comment(_BREAK), *others]) + "}\n"


def _entry(setting: Setting, value: object, mark: str = "") -> str:
    return f"{_comment(_prose(setting))}{_INDENT}{mark}{json.dumps(setting.name)}: {_json(setting, value)},\n"


def _prose(setting: Setting) -> str:
    kind = setting.kind
    return f"{setting.help} ({kind.unit}, {kind.bounds})" if isinstance(kind, Count | Size | Seconds) else setting.help


def _comment(prose: str) -> str:
    start = f"{_INDENT}// "
    # What stands between backquotes stays on one line; a comment needs the quotes no more.
    whole = re.sub(r"`([^`]*)`", lambda code: code[1].replace(" ", _NO_BREAK), prose)
    lines = textwrap.wrap(whole, WIDTH - len(start), break_long_words=False, break_on_hyphens=False)
    return "".join(f"{start}{line}\n" for line in lines).replace(_NO_BREAK, " ")


def _json(setting: Setting, value: object) -> str:
    """The value as the file spells it: sizes and times with their unit, which makes them strings."""
    spelt = setting.kind.show(value)
    if isinstance(setting.kind, Size | Seconds) and not spelt.isdecimal():
        return json.dumps(spelt)
    return json.dumps(value, ensure_ascii=False)
