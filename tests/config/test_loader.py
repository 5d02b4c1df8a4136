"""Loading the settings from file, environment and flags."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pushery.config.declaration import Setting
from pushery.config.loader import ConfigError, load
from pushery.config.settings import SETTINGS, Settings

WHO = {"auth_account": "root", "auth_password": "sesame"}


def write(directory: Path, **values: object) -> Path:
    path = directory / "default.json"
    path.write_text(json.dumps({**WHO, **values}, indent=0))
    return path


def problems(
    path: Path | None = None, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> list[str]:
    """What is wrong; the super admin is given by flags unless there is a file."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {}, {**({} if path else WHO), **(flags or {})})
    assert all("\n" not in problem for problem in caught.value.problems)
    return caught.value.problems


def problem(
    path: Path | None = None, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> str:
    (only,) = problems(path, environ, flags)
    return only


def test_without_anything_else_the_defaults_hold() -> None:
    assert load(None, {}, WHO) == Settings(auth_account="root", auth_password="sesame")


def test_flags_win_over_the_environment_which_wins_over_the_file_which_wins_over_the_default(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, listen=":1", sqldir="one", message_limit=1)
    environ = {"PUSHERY_LISTEN": ":2", "PUSHERY_SQLDIR": "two"}
    settings = load(path, environ, {"listen": ":3"})
    assert (settings.listen, settings.sqldir, settings.message_limit) == (":3", "two", 1)
    assert settings.backlog == Settings().backlog


def test_a_flag_that_was_not_given_changes_nothing(tmp_path: Path) -> None:
    assert load(write(tmp_path, listen=":1"), {}, {"listen": None, "compression": None}).listen == ":1"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_can_be_given_in_all_three_places(setting: Setting, tmp_path: Path) -> None:
    samples = {
        "auth_account": "someone",
        "auth_password": "else",
        "cors_origins": "*",
        "trusted_proxies": "::1",
        "secret_key": "A" * 43,
        "admin_listen": "127.0.0.1:8002",
        "otlp_endpoint": "http://localhost:4318",
    }
    text = samples.get(setting.name, setting.shown_default or "x.pem")
    value = setting.kind.from_text(text)
    both = {"tls_certificate": "x.pem", "tls_key": "x.pem"} if setting.name.startswith("tls_") else {}
    raw = list(value) if isinstance(value, tuple) else value
    from_file = load(write(tmp_path, **{**both, setting.name: raw}), {}, {})
    from_environment = load(None, {setting.environment: text}, {**WHO, **both, setting.name: None})
    for settings in (from_file, load(None, {}, {**WHO, **both, setting.name: text})):
        assert getattr(settings, setting.name) == value
    if not setting.about.required and not both:
        assert getattr(from_environment, setting.name) == value


def test_text_in_the_environment_is_read_by_the_type_of_its_setting() -> None:
    environ = {
        "PUSHERY_COMPRESSION": "off",
        "PUSHERY_MAX_BODY_BYTES": "2MiB",
        "PUSHERY_PING_IDLE": "500ms",
        "PUSHERY_CORS_ORIGINS": "https://a.example, https://b.example",
        "PUSHERY_BACKLOG": "7",
        "PUSHERY_ENVIRONMENT": "production",
    }
    settings = load(None, environ, WHO)
    assert settings.compression is False
    assert settings.max_body_bytes == 2 * 1024 * 1024
    assert settings.ping_idle == 0.5
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.backlog == 7
    assert settings.environment == "PRODUCTION"


def test_every_problem_of_every_place_comes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "default.json"
    path.write_text('{\n"auth_account": 5,\n"lisen": ":1",\n"backlog": "many"\n}')
    environ = {"PUSHERY_PING_IDLE": "soon", "PUSHERY_SQLDIRR": "x"}
    assert problems(path, environ, {"message_limit": "0", "listn": ":1"}) == [
        f"{path}:2: auth_account: expected a name, got a number",
        f"{path}:3: unknown setting 'lisen' (did you mean 'listen'?)",
        f"{path}:4: backlog: expected a whole number from 1 to 65535, got a string",
        "environment: PUSHERY_PING_IDLE: expected a time in seconds from 100ms to 24h, "
        'such as 10, "500ms", "10s" or "2m", got "soon"',
        "environment: unknown setting 'PUSHERY_SQLDIRR' (did you mean 'PUSHERY_SQLDIR'?)",
        "command line: --message-limit: expected a size in bytes from 1 to 16MiB, "
        'such as 512, "64KiB" or "1MiB", got "0"',
        "command line: unknown setting '--listn' (did you mean '--listen'?)",
        f"auth_password is missing: set it in {path}, the environment variable PUSHERY_AUTH_PASSWORD "
        "or the flag --auth-password",
    ]


def test_an_unknown_setting_names_the_nearest_even_when_none_is_near(tmp_path: Path) -> None:
    assert "the nearest known one is '" in problem(write(tmp_path, qqqqqqqqqqqqqqqqqq=1))


def test_an_unknown_name_cannot_break_the_line(tmp_path: Path) -> None:
    assert "unknown setting 'a\\nb\\x1b'" in problem(write(tmp_path, **{"a\nb\x1b": 1}))


@pytest.mark.parametrize(
    "variable",
    [
        "PUSHERY_CONFIG",
        "PUSHERY_TEST_REDIS",
        "PUSHERY_SERVICE_HOST",
        "PUSHERY_SERVICE_PORT_HTTP",
        "PUSHERY_PORT",
        "PUSHERY_PORT_8001_TCP_ADDR",
        "PATH",
        "pushery_lisen",
    ],
)
def test_variables_that_are_no_settings_are_left_alone(variable: str) -> None:
    load(None, {variable: "tcp://10.0.0.1:8001"}, WHO)


def test_the_super_admin_is_required() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {}, {})
    account, password = caught.value.problems
    assert account.startswith("auth_account is missing: set the environment variable PUSHERY_AUTH_ACCOUNT or")
    assert password.startswith("auth_password is missing")


@pytest.mark.parametrize("name", ["auth_account", "auth_password", "sqldir", "logdir", "listen"])
def test_an_empty_string_is_not_enough(name: str, tmp_path: Path) -> None:
    assert "got an empty string" in problem(write(tmp_path, **{name: ""}))
    assert "got an empty string" in problem(environ={f"PUSHERY_{name.upper()}": ""}, flags={name: WHO.get(name)})


@pytest.mark.parametrize(("one", "other"), [("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")])
def test_tls_takes_both_files_or_none(one: str, other: str, tmp_path: Path) -> None:
    path = write(tmp_path, **{one: "x.pem"})
    assert problem(path) == f"{path}:4: {one} needs {other}: set both for TLS, or none"
    assert problem(path, flags={other: ""}) == problem(path)
    assert load(path, {}, {other: "y.pem"}).auth_account == "root"
    assert load(path, {}, {one: ""}).auth_account == "root"


def test_the_proxy_protocol_takes_proxies_that_are_trusted(tmp_path: Path) -> None:
    path = write(tmp_path, proxy_protocol=True)
    assert problem(path) == f"{path}:4: proxy_protocol needs trusted_proxies: name the proxies that send it"
    assert problem(path, flags={"trusted_proxies": ""}) == problem(path)
    assert "expected IP addresses" in problem(path, flags={"trusted_proxies": "nowhere"})
    assert load(path, {}, {"trusted_proxies": "10.0.0.1"}).proxy_protocol
    assert not load(path, {}, {"proxy_protocol": "off"}).proxy_protocol


def test_the_proxy_protocol_and_tls_exclude_each_other() -> None:
    environ = {"PUSHERY_PROXY_PROTOCOL": "on", "PUSHERY_TRUSTED_PROXIES": "10.0.0.1"}
    assert problem(environ=environ, flags={"tls_certificate": "x.pem", "tls_key": "x.pem"}) == (
        "environment: proxy_protocol and tls_certificate exclude each other: "
        "let the proxy end TLS, or take one of them out"
    )
    assert load(None, environ, WHO).proxy_protocol


@pytest.mark.parametrize(
    ("listen", "admin", "same"),
    [
        (None, ":8001", True),
        (":8001", "127.0.0.1:8001", True),
        ("127.0.0.1:8001", ":8001", True),
        ("[::1]:8001", "[::1]:8001", True),
        ("127.0.0.1:8001", "127.0.0.2:8001", False),
        (":8001", ":8002", False),
        (":0", ":0", False),
        (None, ":9001", False),
    ],
)
def test_backends_have_an_address_of_their_own_or_none(listen: str | None, admin: str, same: bool) -> None:
    flags = {"listen": listen, "admin_listen": admin}
    if same:
        assert problem(flags=flags) == (
            "command line: admin_listen has to be another address than listen: take another port"
        )
    else:
        assert load(None, {}, {**WHO, **flags}).admin_listen == admin


def test_a_missing_file_is_one_problem_and_not_also_its_missing_settings(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.json"
    assert problem(path) == f"{path}: no such file (`pushery init` writes one)"


def test_a_file_that_cannot_be_read_is_a_problem_beside_the_others(tmp_path: Path) -> None:
    assert problems(tmp_path, {"PUSHERY_BACKLOG": "0"}) == [
        f"{tmp_path}: cannot be read: Is a directory",
        'environment: PUSHERY_BACKLOG: expected a whole number from 1 to 65535, got "0"',
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{\n"listen": ":1",\n"sqldir" "x"}', ":3:10: expected ':' after the name"),
        (b'{"listen": ":1", "listen": ":2"}', ':1:18: expected "listen" only once in an object'),
        (b"[]", ": expected a JSON object with settings, got an array"),
        (b'{"listen": "\xff"}', ": expected UTF-8 text, byte 13 is not"),
        (b"", ":1:1: expected a value"),
    ],
)
def test_a_file_that_is_no_settings_object_says_where_it_goes_wrong(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "default.json"
    path.write_bytes(content)
    assert problem(path) == f"{path}{said}"


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path, {}, {}).auth_account == "root"


def test_relative_paths_stay_as_given(tmp_path: Path) -> None:
    settings = load(write(tmp_path, sqldir="./x.sqlite", logdir="logs/"), {}, {})
    assert (settings.sqldir, settings.logdir) == ("./x.sqlite", "logs/")


@pytest.mark.parametrize("name", ["auth_password", "secret_key"])
@pytest.mark.parametrize("raw", [271828, ["hunter2"], {"hunter2": "hunter2"}, "hunter2\x00", "hunter2\ud800"])
def test_a_secret_is_never_in_a_problem(name: str, raw: object, tmp_path: Path) -> None:
    texts = problems(write(tmp_path, **{name: raw}))
    if isinstance(raw, str):
        texts += problems(environ={f"PUSHERY_{name.upper()}": raw}) + problems(flags={name: raw})
    assert not any("hunter2" in text or "271828" in text for text in texts)


def test_a_long_value_is_not_quoted_in_full(tmp_path: Path) -> None:
    assert len(problem(write(tmp_path, environment="x" * 10_000))) < 300 + len(str(tmp_path))
