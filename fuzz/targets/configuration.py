"""The configuration file: a value, or an error that names a place in it; settings of right types, or problems."""

import json
from typing import Final

from pushery.config import jsonc
from pushery.config.loader import ConfigError, load
from pushery.config.settings import SETTINGS, Settings

SEEDS: Final = [
    b'{"listen": ":8001", // here\n /* and */ "max_body_bytes": "2MiB",}',
    b'{"auth_account":"a","auth_password":"p","ping_idle":"1m","cors_origins":["*"],"trusted_proxies":["10.0.0.0/8"]}',
    b'{"header_timeout":1e400}',
    b'{"backlog":' + b"9" * 500 + b"}",
    b'{"a":1,"a":2}',
    b'{"a":{"b":[1,{"c":"//"},],},}',
    b'{"secret_key":"AAAA","listen":"[::1]:99999","max_sockets":-1,"compression":"yes"}',
    b"/*",
    b'{"a":"\\',
    b"[" * 3000,
    b"[1,2]",
    b"\xef\xbb\xbf{}",
]


def target(data: bytes) -> None:
    """What a file would hold; its values come in as the command line's, which take what the file takes."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    try:
        value = jsonc.decode(text)
    except jsonc.JsoncError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        assert error.column >= 1
        return
    lines = jsonc.lines_of_names(text)
    if not isinstance(value, dict):
        return
    assert set(lines) == set(value)
    given: dict[str, object] = {"auth_account": "a", "auth_password": "p", **value}
    for environ, flags in (({}, given), (_environment(given), {})):
        try:
            settings = load(None, environ, flags)
        except ConfigError as error:
            assert error.problems
            assert isinstance(error.usable, Settings)
        else:
            assert "***" in repr(settings)


def _environment(given: dict[str, object]) -> dict[str, str]:
    variables = {setting.name: setting.environment for setting in SETTINGS}
    return {
        variables.get(name, name): value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
        if name in variables
    }
