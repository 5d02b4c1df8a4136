"""Loads the settings: flags win over the environment, which wins over the file, which wins over the defaults.

Looks at no file but the configuration file, and not at the world the settings speak of: `check` does that.
Invariant: every problem is found in one go, names the place its value came from, and never holds a secret's value.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pushery.config import jsonc
from pushery.config.address import Address, parse_listen
from pushery.config.declaration import ENVIRONMENT_PREFIX, Setting
from pushery.config.kinds import json_type
from pushery.config.settings import SETTINGS, Settings

_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
_BY_ENVIRONMENT: Final = {setting.environment: setting for setting in SETTINGS}
_BY_FLAG: Final = {setting.flag: setting for setting in SETTINGS}

# Not settings: the file's own path, the test suite's switches, and the variables that Kubernetes and Docker links
# put into every container beside a service that is called "pushery".
_NOT_OURS: Final = re.compile(
    r"PUSHERY_(CONFIG|TEST_.*|NAME|SERVICE_(HOST|PORT.*)|PORT(_[0-9]+_(TCP|UDP).*)?)", re.DOTALL
)
_LONGEST_QUOTE: Final = 60

_NEEDS: Final = (
    ("tls_certificate", "tls_key", "set both for TLS, or none"),
    ("tls_key", "tls_certificate", "set both for TLS, or none"),
    ("proxy_protocol", "trusted_proxies", "name the proxies that send it"),
)
"""Settings that mean nothing without another one, and why."""


class ConfigError(Exception):
    """The settings cannot be used. `problems` holds one line for each thing that is wrong.

    `usable` holds what is right, with defaults for the rest, so that it can be checked in the same go.
    """

    def __init__(self, problems: list[str], usable: Settings | None = None) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.usable = usable or Settings()


class ConfigFile(NamedTuple):
    """What a configuration file holds, undecoded values by key, and the line of each key."""

    values: Mapping[str, object]
    lines: Mapping[str, int]


class _Given(NamedTuple):
    """One value from outside, neither recognised nor read yet."""

    where: str
    """The file and line, or "environment", or "command line"."""
    name: str
    """As spelt there: listen, PUSHERY_LISTEN, --listen."""
    raw: object
    known: Mapping[str, Setting]
    """The settings by the names they have there."""


def load(
    path: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    keywords: Mapping[str, object] | None = None,
) -> Settings:
    """The settings, or a `ConfigError` with every problem.

    `path` None means there is no file. `flags` holds values by setting name: None for a flag that was not given,
    text as typed on the command line, or a value as the file would have it. `keywords` are a Python program's, values
    as the file would have them, and win over all.
    """
    problems: list[str] = []
    file = _file_or_problem(path, problems)
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for given in (
        *_in_file(path, file),
        *_in_environment(environ),
        *_on_command_line(flags),
        *_in_call(keywords or {}),
    ):
        setting = given.known.get(given.name)
        if setting is None:
            problems.append(_unknown(given))
            continue
        places[setting.name] = given.where
        try:
            values[setting.name] = _read(setting, given)
        except ValueError as error:
            problems.append(f"{given.where}: {given.name}: {error}")
    if file is not None:  # else what seems to be missing may well stand in it
        problems += _missing(values, places, path)
        problems += _combinations(values, places)
    if problems:
        raise ConfigError(problems, Settings(**values))
    return Settings(**values)


def read_config_file(path: Path) -> ConfigFile:
    """What the file holds. Raises `ConfigError` when it cannot be read or is not a JSON object."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        values = jsonc.decode(text)
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file (`pushery init` writes one)"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except jsonc.JsoncError as error:
        raise ConfigError([f"{path}:{error}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: expected UTF-8 text, byte {error.start + 1} is not"]) from None
    if not isinstance(values, dict):
        raise ConfigError([f"{path}: expected a JSON object with settings, got {json_type(values)}"])
    return ConfigFile(values, jsonc.lines_of_names(text))


def _file_or_problem(path: Path | None, problems: list[str]) -> ConfigFile | None:
    if path is None:
        return ConfigFile({}, {})
    try:
        return read_config_file(path)
    except ConfigError as error:
        problems += error.problems
        return None


def _in_file(path: Path | None, file: ConfigFile | None) -> Iterable[_Given]:
    if file is not None:
        for name, raw in file.values.items():
            yield _Given(f"{path}:{file.lines[name]}", name, raw, _BY_NAME)


def _in_environment(environ: Mapping[str, str]) -> Iterable[_Given]:
    for variable, text in sorted(environ.items()):
        if variable.startswith(ENVIRONMENT_PREFIX) and not _NOT_OURS.fullmatch(variable):
            yield _Given("environment", variable, text, _BY_ENVIRONMENT)


def _on_command_line(flags: Mapping[str, object]) -> Iterable[_Given]:
    for name, raw in flags.items():
        if raw is not None:
            yield _Given("command line", "--" + name.replace("_", "-"), raw, _BY_FLAG)


def _in_call(keywords: Mapping[str, object]) -> Iterable[_Given]:
    for name, raw in keywords.items():
        yield _Given("arguments", name, raw, _BY_NAME)


def _unknown(given: _Given) -> str:
    names = list(given.known)
    likely = difflib.get_close_matches(given.name, names, 1)
    (nearest,) = likely or difflib.get_close_matches(given.name, names, 1, cutoff=0.0)
    hint = f"did you mean '{nearest}'?" if likely else f"the nearest known one is '{nearest}'"
    return f"{given.where}: unknown setting {given.name!r} ({hint})"


def _read(setting: Setting, given: _Given) -> object:
    """The value as `Settings` holds it. Raises `ValueError` that quotes the value unless it is secret."""
    is_text = given.known is not _BY_NAME and isinstance(given.raw, str)
    try:
        return setting.kind.from_text(str(given.raw)) if is_text else setting.kind.from_json(given.raw)
    except ValueError as error:
        message = str(error)
        if setting.secret or ", got " in message:
            raise
        quoted = json.dumps(given.raw, ensure_ascii=False, default=str)
        if len(quoted) > _LONGEST_QUOTE:
            quoted = quoted[:_LONGEST_QUOTE] + "..."
        raise ValueError(f"{message}, got {quoted}") from None


def _missing(values: Mapping[str, Any], places: Mapping[str, str], path: Path | None) -> Iterable[str]:
    """Problems of settings that are not there; one that is there and wrong has its problem already."""
    for setting in SETTINGS:
        if setting.about.required and setting.name not in places:
            ways = f"the environment variable {setting.environment} or the flag {setting.flag}"
            yield (
                f"{setting.name} is missing: set it in {path}, {ways}"
                if path
                else (f"{setting.name} is missing: set {ways}")
            )


def _combinations(values: Mapping[str, Any], places: Mapping[str, str]) -> Iterable[str]:
    """Problems of settings that are right one by one and not together; one that is wrong has its problem already."""
    for one, other, why in _NEEDS:
        if values.get(one) and not values.get(other, other in places):
            yield f"{places[one]}: {one} needs {other}: {why}"
    if values.get("proxy_protocol") and values.get("tls_certificate"):
        yield (
            f"{places['proxy_protocol']}: proxy_protocol and tls_certificate exclude each other: "
            "let the proxy end TLS, or take one of them out"
        )
    admin = values.get("admin_listen")
    if admin and _same_door(parse_listen(admin), parse_listen(values.get("listen", Settings().listen))):
        yield f"{places['admin_listen']}: admin_listen has to be another address than listen: take another port"


def _same_door(one: Address, other: Address) -> bool:
    """Whether who connects to the one may get the other: with `reuse_port`, the system would not mind."""
    return 0 != one.port == other.port and (one.host == other.host or not (one.host and other.host))
