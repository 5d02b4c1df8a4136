"""Settings held against the world."""

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from pushery.config.check import check, check_warnings, log_file
from pushery.config.settings import Settings

UNWRITABLE = "/proc"
"""A directory in which nobody can make a file, not even root."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(auth_account="root", auth_password="sesame", sqldir=str(tmp_path / "apps.sqlite"))


def write_pair(directory: Path, encryption: KeySerializationEncryption | None = None) -> tuple[str, str]:
    """Paths of a self-signed certificate and its key, made in `directory`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day.replace(year=2120))
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(exist_ok=True)
    paths = directory / "certificate.pem", directory / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    paths[1].chmod(0o600)
    return str(paths[0]), str(paths[1])


def with_text(settings: Settings, name: str, text: str) -> Settings:
    changed: dict[str, Any] = {name: text}
    return dataclasses.replace(settings, **changed)


def with_tls(settings: Settings, certificate: str, key: str) -> Settings:
    return dataclasses.replace(settings, tls_certificate=certificate, tls_key=key)


def test_a_sound_world_has_no_problems_and_is_left_as_it_was(settings: Settings, tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path / "tls")
    before = sorted(tmp_path.rglob("*"))
    sound = dataclasses.replace(with_tls(settings, certificate, key), logdir=f"{tmp_path}/")
    assert check(sound) == []
    assert sorted(tmp_path.rglob("*")) == before


def test_every_problem_comes_at_once_in_one_line_each(settings: Settings) -> None:
    broken = dataclasses.replace(
        settings,
        sqldir="/nowhere/apps.sqlite",
        logdir="/nowhere/else/",
        tls_certificate="/nowhere/certificate.pem",
        tls_key="/nowhere/key.pem",
    )
    assert check(broken) == [
        "sqldir: no such directory within reach: /nowhere",
        "logdir: no such directory within reach: /nowhere/else",
        "tls_certificate: /nowhere/certificate.pem cannot be read (No such file or directory)",
        "tls_key: /nowhere/key.pem cannot be read (No such file or directory)",
    ]


@pytest.mark.parametrize("name", ["sqldir", "logdir"])
def test_a_directory_that_cannot_be_written_is_named(name: str, settings: Settings) -> None:
    (problem,) = check(with_text(settings, name, f"{UNWRITABLE}/pushery"))
    assert problem.startswith(f"{name}: directory is not writable: {UNWRITABLE}")


@pytest.mark.parametrize("name", ["sqldir", "logdir"])
def test_a_file_in_place_of_the_directory_is_named(name: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    broken = with_text(settings, name, f"{tmp_path}/file/pushery")
    assert check(broken) == [f"{name}: not a directory: {tmp_path}/file"]


@pytest.mark.parametrize("name", ["sqldir", "logdir"])
def test_a_path_that_the_system_refuses_is_a_problem_and_no_traceback(name: str, settings: Settings) -> None:
    path = "x" * 5000
    (problem,) = check(with_text(settings, name, f"/{path}/{path}"))
    assert problem.startswith(f"{name}: ")


def test_a_directory_in_place_of_the_database_is_named(settings: Settings, tmp_path: Path) -> None:
    broken = dataclasses.replace(settings, sqldir=str(tmp_path))
    assert check(broken) == [f"sqldir: {tmp_path} is a directory, expected a file"]


def test_a_directory_in_place_of_the_log_file_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "pushery.log").mkdir()
    broken = dataclasses.replace(settings, logdir=str(tmp_path))
    assert check(broken) == [f"logdir: {tmp_path}/pushery.log is a directory, expected a file"]


def test_a_log_file_that_exists_needs_no_writable_directory(settings: Settings) -> None:
    assert check(dataclasses.replace(settings, logdir="/dev/null")) == []


def test_a_key_of_another_certificate_is_named(settings: Settings, tmp_path: Path) -> None:
    certificate, _ = write_pair(tmp_path / "one")
    _, key = write_pair(tmp_path / "other")
    assert check(with_tls(settings, certificate, key)) == [
        f"tls_key: {key} is not the key of tls_certificate {certificate}"
    ]


def test_a_file_that_is_no_certificate_is_named(settings: Settings, tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path)
    Path(certificate).write_text("not a certificate")
    (problem,) = check(with_tls(settings, certificate, key))
    assert problem.startswith(f"tls_certificate, tls_key: {certificate} and {key} are not a PEM certificate")


def test_an_encrypted_key_is_refused_instead_of_asking_for_its_password(settings: Settings, tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, BestAvailableEncryption(b"sesame"))
    (problem,) = check(with_tls(settings, certificate, key))
    assert "unencrypted PEM key" in problem


def test_the_log_goes_to_a_file_or_into_a_directory_or_to_the_console(tmp_path: Path) -> None:
    assert log_file("console") is None
    assert log_file(str(tmp_path)) == tmp_path / "pushery.log"
    assert log_file("./no-such-directory/") == Path("no-such-directory/pushery.log")
    assert log_file(str(tmp_path / "x.log")) == tmp_path / "x.log"


def test_a_password_in_a_file_that_everybody_can_read_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    config = tmp_path / "default.json"
    config.write_text(json.dumps({"auth_account": "root", "auth_password": "sesame"}))
    config.chmod(0o644)
    (warning,) = check_warnings(settings, config)
    assert warning.startswith(f"{config}: everybody on this machine can read it, and it holds auth_password")
    assert "sesame" not in warning
    config.chmod(0o640)
    assert check_warnings(settings, config) == []


def test_a_readable_file_without_a_secret_is_no_warning(settings: Settings, tmp_path: Path) -> None:
    config = tmp_path / "default.json"
    config.write_text('{"auth_account": "root", "secret_key": ""}')
    config.chmod(0o644)
    assert check_warnings(settings, config) == []
    assert check_warnings(settings, None) == []


def test_to_trust_everybody_is_a_warning(settings: Settings) -> None:
    trusting = dataclasses.replace(settings, trusted_proxies=("10.0.0.0/8", "0.0.0.0/0", "::/0"))
    assert check_warnings(trusting, None) == [
        "trusted_proxies: 0.0.0.0/0 is everybody: anybody can pass for any client",
        "trusted_proxies: ::/0 is everybody: anybody can pass for any client",
    ]


def test_what_nobody_will_ever_be_told_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    telling = dataclasses.replace(settings, hsts_max_age=60.0)
    (warning,) = check_warnings(telling, None)
    assert warning == "hsts_max_age: no request can come by TLS without tls_certificate or trusted_proxies"
    assert check_warnings(with_tls(telling, *write_pair(tmp_path)), None) == []
    assert check_warnings(dataclasses.replace(telling, trusted_proxies=("10.0.0.1",)), None) == []


def test_a_tls_key_that_everybody_can_read_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path)
    assert check_warnings(with_tls(settings, certificate, key), None) == []
    Path(key).chmod(0o644)
    (warning,) = check_warnings(with_tls(settings, certificate, key), None)
    assert warning.startswith(f"tls_key: everybody on this machine can read {key}")
