"""The doctor's checks of this machine and its files, as functions: what is found, and what mends it."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from pushery.cli.doctor import files, machine, site
from pushery.cli.doctor.certificates import Shown, expiry
from pushery.cli.doctor.finding import Finding
from pushery.cli.target import Target
from pushery.config import Settings
from pushery.storage import open_app_store
from tests.cli.test_cli import write_config

DAY_S = 86_400


def states(findings: Iterable[Finding]) -> list[str]:
    return [finding.state for finding in findings]


def only(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    ("days", "state", "words"),
    [(-3, "fail", "has expired 3 days ago"), (5, "warn", "5 more days"), (60, "ok", "60 more days")],
)
def test_a_certificate_is_judged_by_the_days_that_it_has_left(days: int, state: str, words: str) -> None:
    shown = Shown(("push.example.com",), 0, (100 + days) * DAY_S)
    found = expiry("TLS", shown, 100 * DAY_S, "renew it")
    assert (found.state, found.mend) == (state, "" if state == "ok" else "renew it")
    assert words in found.found


def test_a_certificate_of_the_future_fails() -> None:
    assert expiry("TLS", Shown((), 10 * DAY_S, 20 * DAY_S), 0, "renew it").state == "fail"


def test_open_files_are_held_against_what_may_come() -> None:
    assert only(machine.descriptors(Settings(), 1024, 1_000_000)).state == "ok"
    few = only(machine.descriptors(Settings(), 128, 4096))
    assert (few.state, "LimitNOFILE" in few.mend, "3,776 clients" in few.found) == ("warn", True, True)
    assert only(machine.descriptors(Settings(max_sockets=5000), 128, 4096)).state == "fail"
    assert only(machine.descriptors(Settings(max_sockets=3000), 128, 4096)).state == "ok"


def test_the_kernel_is_held_against_the_backlog() -> None:
    says = {"net/core/somaxconn": "128\n", "net/ipv4/tcp_max_syn_backlog": "8192\n", "fs/nr_open": "1000\n"}
    low, high = machine.kernel(Settings(), lambda path: says.get(path))
    assert (low.state, low.mend.startswith("sysctl -w net.core.somaxconn=4096")) == ("warn", True)
    assert high.state == "ok"
    assert states(machine.kernel(Settings(backlog=100, max_sockets=5000), lambda path: says.get(path))) == [
        "ok",
        "ok",
        "fail",
    ]
    assert states(machine.kernel(Settings(), lambda path: None)) == ["skip"]


def test_an_address_that_is_not_of_this_machine_fails() -> None:
    found = only(machine.port(Settings(listen="192.0.2.1:8001")))
    assert (found.state, "cannot be listened on" in found.found) == ("fail", True)
    assert only(machine.port(Settings(listen="127.0.0.1:0"))).state == "ok"


def test_files_with_secrets_are_for_their_owner(tmp_path: Path) -> None:
    config, key = tmp_path / "default.json", tmp_path / "appdata.sqlite.key"
    settings = Settings(sqldir=str(tmp_path / "appdata.sqlite"))
    for path, mode in ((config, 0o600), (key, 0o640)):
        path.write_text("")
        path.chmod(mode)
    fine, bad = files.permissions(settings, config)
    assert (fine.state, bad.state, bad.mend) == ("ok", "fail", f"chmod 600 {key}")
    config.chmod(0o644)
    assert states(files.permissions(settings, config)) == ["fail", "fail"]
    config.chmod(0o640)
    assert states(files.permissions(settings, config)) == ["warn", "fail"]


def test_a_configuration_that_is_not_there_names_init(tmp_path: Path) -> None:
    settings, (found,) = files.configuration(tmp_path / "default.json", {})
    assert (settings, found.state, found.mend.startswith("pushery init")) == (None, "fail", True)
    config = write_config(tmp_path, nonsense=1, listen="nowhere")
    assert states(files.configuration(config, {})[1]) == ["fail", "fail"]
    config = write_config(tmp_path, sqldir=str(tmp_path / "no" / "where"))
    assert states(files.configuration(config, {})[1]) == ["fail"]


def test_a_registry_that_is_not_there_is_fine_and_not_made(tmp_path: Path) -> None:
    settings = Settings(sqldir=str(tmp_path / "appdata.sqlite"))
    assert only(files.registry(settings)).state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_registry_is_read_and_left_alone(tmp_path: Path) -> None:
    settings = Settings(sqldir=str(tmp_path / "appdata.sqlite"))
    open_app_store(settings.sqldir).close()
    before = (tmp_path / "appdata.sqlite").read_bytes()
    assert "is whole" in only(files.registry(settings)).found
    assert (tmp_path / "appdata.sqlite").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["appdata.sqlite", "appdata.sqlite.key"]


def set_version(path: str, version: int) -> None:
    database = sqlite3.connect(path)
    database.execute("UPDATE pushery_meta SET schema_version = ?", (version,))
    database.commit()
    database.close()


def test_a_registry_of_another_version_is_neither_migrated_nor_opened(tmp_path: Path) -> None:
    settings = Settings(sqldir=str(tmp_path / "appdata.sqlite"))
    open_app_store(settings.sqldir).close()
    set_version(settings.sqldir, 99)
    assert "a newer one wrote it" in only(files.registry(settings)).found
    set_version(settings.sqldir, 1)
    assert only(files.registry(settings)).state == "warn"
    assert "schema 1" in only(files.registry(settings)).found


def test_a_registry_without_its_key_or_whole_pages_fails(tmp_path: Path) -> None:
    path = tmp_path / "appdata.sqlite"
    settings = Settings(sqldir=str(path))
    open_app_store(settings.sqldir).close()
    (tmp_path / "appdata.sqlite.key").rename(tmp_path / "elsewhere")
    assert "key file" in only(files.registry(settings)).found
    path.write_bytes(b"no database at all, but long enough to look like one" * 100)
    found = only(files.registry(settings))
    assert (found.state, "restore it" in found.mend) == ("fail", True)


def test_a_disk_is_measured_where_the_registry_is(tmp_path: Path) -> None:
    assert only(files.disk(Settings(sqldir=str(tmp_path / "x")))).state in ("ok", "warn")
    assert only(files.disk(Settings(sqldir=str(tmp_path / "no" / "x")))).state == "fail"


def test_who_is_believed_is_told() -> None:
    target = Target("https://push.example.com")

    def seen(address: str, forwarded: str, *, secure: bool = True) -> list[str]:
        told = {"address": address, "secure": secure, "x_forwarded_for": forwarded}
        return states(site._seen("address", told, target, Settings()))

    assert seen("203.0.113.5:0", "203.0.113.5") == ["ok", "ok"]
    assert seen("10.0.0.1:4711", "203.0.113.5") == ["fail", "ok"]
    assert seen("192.0.2.66:0", "192.0.2.66, 203.0.113.5") == ["fail", "ok"]
    assert seen("203.0.113.5:4711", "192.0.2.66", secure=False) == ["ok", "fail"]
    assert seen("192.0.2.66:0", "192.0.2.66") == ["fail", "ok"]
    told = {"address": "192.0.2.66:0", "x_forwarded_for": "192.0.2.66"}
    beside = Settings(listen="127.0.0.1:8001", trusted_proxies=("127.0.0.1",))
    assert states(site._seen("address", told, Target("http://127.0.0.1:8001"), beside)) == ["ok"]
    assert states(site._seen("address", told, Target("http://127.0.0.1:8443"), beside)) == ["fail"]
