"""Renders docs/reference/settings.md from the declarations: python -m pushery.config.reference > that file.

Loads no settings. Invariant: every declared setting has its row and its section, so the page cannot fall behind.
"""

import sys
from typing import Final

from pushery.config.declaration import Setting
from pushery.config.settings import SETTINGS

COMMAND: Final = "python -m pushery.config.reference > docs/reference/settings.md"

_INTRO: Final = f"""\
<!-- Written by: {COMMAND} -->
# Settings

Every setting can be given in three places. A flag on the command line wins over an environment variable, which wins
over the configuration file, which wins over the default.

| Where | How | Example |
|---|---|---|
| configuration file | its name as a key | `"listen": ":8001"` |
| environment | `PUSHERY_` and the name in capitals | `PUSHERY_LISTEN=:8001` |
| command line | the name with dashes | `--listen :8001` |

The file is `./default.json`, or the one that `--config` (`-c`) or `PUSHERY_CONFIG` names. It is JSON with `//` and
`/* */` comments; a comma may follow the last entry. Relative paths are relative to the directory the server was
started in.

| Type | In the file | In the environment and in flags |
|---|---|---|
| text, choice | a string; a choice in upper or lower case | the same |
| switch | `true` or `false` | `true`, `false`, `yes`, `no`, `on`, `off`, `1` or `0` |
| number | a whole number | the same |
| bytes | a number of bytes, or a string with a unit: `"64KiB"`, `"1MiB"` | `65536`, `64KiB`, `1MiB` |
| seconds | a number of seconds, or a string with a unit: `"500ms"`, `"10s"`, `"2m"`, `"1h"` | `0.5`, `500ms`, `2m` |
| list | an array of strings | words with commas between |

An unknown name, a value of the wrong type and a value out of range keep the server from starting; it names them all
at once. `pushery check` does the same without starting, and looks at directories, files and certificates as well.

On `SIGHUP`, and when [`pushery reload`](cli.md#pushery-reload) asks it to, the server loads its settings again. Those
marked *on reload* change at once and close no socket; [the few others](#what-waits-for-a-restart) wait for a restart.
[Change settings while running](../how-to/change-settings-while-running.md) tells more.

Flags can be read by every user of the machine (`ps`): give secrets in the file or in the environment.
"""


def render_reference() -> str:
    """The page, ending in a newline."""
    rows = "".join(_row(setting) for setting in SETTINGS)
    table = "## All at a glance\n\n| Setting | Type | Default | Changes |\n|---|---|---|---|\n" + rows
    return "\n".join([_INTRO, table, _restarts(), *(_section(setting) for setting in SETTINGS)])


def _restarts() -> str:
    waiting = [setting for setting in SETTINGS if not setting.about.reload]
    rows = "".join(f"| [`{setting.name}`](#{setting.name}) | {setting.about.restart} |\n" for setting in waiting)
    return (
        "## What waits for a restart\n\n| Setting | Why |\n|---|---|\n"
        f"{rows}| [`tls_certificate`](#tls_certificate), [`tls_key`](#tls_key) | "
        "A renewed pair comes into use on reload; clients that have the old address cannot follow to or from TLS. |\n"
    )


def _row(setting: Setting) -> str:
    link = f"[{setting.name}](#{setting.name})"
    return f"| {link} | {setting.kind.unit} | {_default(setting)} | {_changes(setting)} |\n"


def _section(setting: Setting) -> str:
    facts = [
        ("Expected", setting.kind.expects),
        ("Default", _default(setting)),
        ("Environment", f"`{setting.environment}`"),
        ("Flag", f"`{setting.flag}`"),
        ("Changes", _changes(setting)),
    ]
    if setting.about.restart:
        facts.append(("Why not on reload", setting.about.restart))
    if not setting.about.required:
        facts.insert(2, ("Origin of the default", setting.about.origin))
    if setting.secret:
        facts.append(("Secret", "yes: it is never logged or shown"))
    lines = "".join(f"- {label}: {fact}\n" for label, fact in facts)
    return f"## {setting.name}\n\n{setting.help}\n\n{lines}"


def _default(setting: Setting) -> str:
    if setting.about.required:
        return "none, required"
    return f"`{setting.shown_default}`" if setting.shown_default else "empty"


def _changes(setting: Setting) -> str:
    return "on reload" if setting.about.reload else "at restart"


if __name__ == "__main__":
    sys.stdout.write(render_reference())
