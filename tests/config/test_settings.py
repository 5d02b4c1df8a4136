"""The settings themselves."""

import base64
import dataclasses
import ipaddress
import typing

import pytest

from pushery.config.address import Address
from pushery.config.declaration import Setting
from pushery.config.settings import SETTINGS, Settings, reloaded

SECRETS = [setting for setting in SETTINGS if setting.secret]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_default_is_a_value_that_its_own_kind_accepts(setting: Setting) -> None:
    if setting.about.required:
        assert setting.default == ""
    else:
        assert setting.kind.from_json(setting.default) == setting.default
        assert setting.kind.from_text(setting.shown_default) == setting.default


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_field_is_typed_as_its_kind_reads_it(setting: Setting) -> None:
    annotated = typing.get_type_hints(Settings)[setting.name]
    options = getattr(setting.kind, "options", None)
    if options is not None:
        assert typing.get_args(annotated) == options
    else:
        assert (typing.get_origin(annotated) or annotated) is setting.python_type


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_what_needs_a_restart_says_why_in_a_sentence(setting: Setting) -> None:
    assert setting.about.reload == (setting.about.restart == "")
    assert setting.about.reload or setting.about.restart.endswith(".")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_help_is_one_paragraph_of_sentences(setting: Setting) -> None:
    assert setting.help.endswith(".")
    assert "\n" not in setting.help
    assert "  " not in setting.help


def test_the_secrets_are_known() -> None:
    assert [setting.name for setting in SECRETS] == ["auth_password", "secret_key"]


def test_a_secret_is_never_in_the_repr() -> None:
    settings = Settings(auth_account="root", auth_password="hunter2", secret_key="c2VzYW1l")
    for text in (repr(settings), str(settings), f"{settings}", f"{settings!r}"):
        assert "hunter2" not in text
        assert "c2VzYW1l" not in text
        assert "auth_account='root'" in text
        assert "auth_password=***" in text


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().listen = ":1"  # type: ignore[misc]


def test_the_derived_values_are_ready_to_use() -> None:
    key = bytes(range(32))
    settings = Settings(
        listen="[::1]:9000",
        environment="PRODUCTION",
        trusted_proxies=("10.0.0.0/8", "::1"),
        secret_key=base64.b64encode(key).decode(),
    )
    assert settings.address == Address("::1", 9000)
    assert settings.log_level == "warning"
    assert settings.trusted_networks == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))
    assert settings.secret_key_bytes == key
    assert Settings().secret_key_bytes is None


def test_a_ping_and_its_pong_take_a_minute_in_all() -> None:
    assert Settings().ping_idle + Settings().ping_timeout == 60.0


def test_a_reload_takes_what_may_change_and_names_what_waits_for_a_restart() -> None:
    running = Settings(listen=":1", environment="DEBUG", tls_certificate="old.pem", tls_key="old.key")
    loaded = dataclasses.replace(
        running, listen=":2", environment="PRODUCTION", tls_certificate="new.pem", tls_key="new.key"
    )
    settings, applied, waiting = reloaded(running, loaded)
    assert settings == dataclasses.replace(loaded, listen=":1")
    assert applied == ["environment", "tls_certificate", "tls_key"]
    assert waiting == ["listen"]


def test_a_reload_does_not_turn_tls_on_or_off() -> None:
    plain = Settings()
    with_tls = Settings(tls_certificate="a.pem", tls_key="a.key")
    assert reloaded(plain, with_tls) == (plain, [], ["tls_certificate", "tls_key"])
    assert reloaded(with_tls, plain) == (with_tls, [], ["tls_certificate", "tls_key"])
