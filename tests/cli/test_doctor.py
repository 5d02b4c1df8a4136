"""`pushery doctor` beside a real server, and through a real nginx."""

import datetime
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.cli.test_cli import assert_fails, pushery_command, write_config
from tests.support.certificates import write_certificate
from tests.support.fronts import PROXY, behind, nginx
from tests.support.server import ServerProcess

pytestmark = pytest.mark.process

TRIPS = ("WebSocket", "response buffering", "signature", "push on a channel", "push to a tag")
LET_IN = {"location /api/admin/ { return 404; }": "location /api/admin/ { proxy_pass http://pushery; }"}


def examined(directory: Path, *arguments: str, code: int = 0, **environ: str) -> dict[str, Any]:
    """The findings by check; of several with a name the last."""
    done = pushery_command(directory, "doctor", "--json", *arguments, environ=environ)
    assert (done.returncode, done.stderr) == (code, ""), done.stdout
    return {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}


def states(found: dict[str, Any], *checks: str) -> list[str]:
    return [found[check]["state"] for check in checks]


def test_beside_a_server_all_is_well_and_nothing_is_changed(server: ServerProcess) -> None:
    app = server.register()
    before = server.request("GET", "/api/admin/apps").json
    found = examined(server.directory, "--url", server.url)
    assert states(found, *TRIPS) == ["ok"] * 5
    checks = ("configuration", "registry", "GET /healthz", "open files of the server", "largest body")
    assert states(found, *checks, "address of clients") == ["ok"] * 6
    assert server.request("GET", "/api/admin/apps").json == before
    assert server.metric("pushery_channels") == 0
    assert states(examined(server.directory, "--url", server.url, "--app", app.key), *TRIPS) == ["ok"] * 5


def test_without_a_server_what_needs_one_is_skipped(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    write_config(tmp_path, listen=f"127.0.0.1:{port}", sqldir=str(tmp_path / "appdata.sqlite"))
    found = examined(tmp_path)
    assert states(found, "configuration", "registry", "server") == ["ok", "ok", "skip"]
    assert "pushery start" in found["server"]["mend"]
    assert [path.name for path in tmp_path.iterdir()] == ["default.json"]


def test_people_get_marks_and_a_sum(tmp_path: Path) -> None:
    done = pushery_command(tmp_path, "doctor")
    assert done.returncode == 1
    assert "✗ configuration: " in done.stdout
    assert "→ pushery init" in done.stdout
    assert "1 to mend" in done.stdout
    assert "\x1b" not in done.stdout


def test_without_an_app_it_says_how_to_make_one(server: ServerProcess) -> None:
    found = examined(server.directory, "--url", server.url)
    assert (found["round trips"]["state"], found["round trips"]["mend"]) == ("skip", "pushery app add test")


def test_a_server_that_is_not_there_fails(server: ServerProcess) -> None:
    found = examined(server.directory, "--url", "http://127.0.0.1:9", code=1)
    assert "connection refused" in found["GET /healthz"]["found"]


def test_a_wrong_password_fails_with_what_mends_it(server: ServerProcess) -> None:
    server.register()
    found = examined(server.directory, "--url", server.url, "--auth", "admin:wrong", code=1)
    assert states(found, "address of clients", "push to a tag", "signature") == ["fail", "fail", "ok"]
    assert "--auth" in found["address of clients"]["mend"]


def test_from_another_machine_the_app_is_asked_of_the_server(server: ServerProcess, tmp_path: Path) -> None:
    server.register()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    found = examined(elsewhere, "--url", server.url, "--auth", "admin:correct horse")
    assert states(found, "configuration", *TRIPS) == ["skip", *["ok"] * 5]
    assert states(examined(elsewhere, "--url", server.url), "round trips", "address of clients") == ["skip", "skip"]


def test_an_app_that_lets_nobody_in_without_a_token_is_skipped(server: ServerProcess) -> None:
    app = server.register()
    body = json.dumps({"settings": {"require_token": True}}).encode()
    server.request("PATCH", f"/api/admin/apps/{app.key}", body, headers={"Content-Type": "application/json"})
    found = examined(server.directory, "--url", server.url)
    assert states(found, "push on a channel", "push to a tag") == ["skip", "skip"]


def test_an_address_of_its_own_for_backends_is_asked_for_what_is_theirs(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, admin_listen="127.0.0.1:0") as server:
        server.register()
        found = examined(tmp_path, "--url", server.url)
        assert states(found, "WebSocket", "signature", "address of clients") == ["ok", "skip", "skip"]


def test_an_idle_socket_is_waited_for(server: ServerProcess) -> None:
    server.register()
    found = examined(server.directory, "--url", server.url, "--idle", "0.2")
    assert found["idle WebSocket"]["state"] == "ok"


def expired(certificate: Path, key: Path) -> None:
    """A pair whose time is over."""
    write_certificate(certificate, key)
    private = load_pem_private_key(key.read_bytes(), None)
    before = x509.load_pem_x509_certificate(certificate.read_bytes())
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(extensions=list(before.extensions)).subject_name(before.subject)
    builder = builder.issuer_name(before.issuer).public_key(before.public_key()).serial_number(before.serial_number)
    builder = builder.not_valid_before(now - datetime.timedelta(days=30))
    signed = builder.not_valid_after(now - datetime.timedelta(days=2)).sign(private, hashes.SHA256())  # type: ignore[arg-type]
    certificate.write_bytes(signed.public_bytes(Encoding.PEM))


def test_a_certificate_that_has_expired_fails_in_the_file_and_on_the_wire(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    expired(certificate, key)
    with ServerProcess(tmp_path, tls_certificate=str(certificate), tls_key=str(key)) as server:
        url = f"https://127.0.0.1:{server.port}"
        found = examined(tmp_path, "--url", url, code=1)
        assert states(found, "TLS certificate file", "TLS expiry", "TLS chain and name") == ["fail"] * 3
        assert "has expired 2 days ago" in found["TLS expiry"]["found"]
        assert "WebSocket" not in found
        found = examined(tmp_path, "--url", url, "--insecure", code=1)
        assert states(found, "TLS expiry", "GET /healthz") == ["fail", "ok"]


def test_a_trusted_certificate_is_fine(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    write_certificate(certificate, key)
    with ServerProcess(tmp_path, tls_certificate=str(certificate), tls_key=str(key)) as server:
        url = f"https://127.0.0.1:{server.port}"
        found = examined(tmp_path, "--url", url, SSL_CERT_FILE=str(certificate))
        assert states(found, "TLS expiry", "TLS chain and name", "TLS as the server sees it") == ["warn", "ok", "ok"]


linux = pytest.mark.skipif(sys.platform != "linux", reason="it takes further addresses of the loopback")


def through(directory: Path, server: ServerProcess, changes: dict[str, str], code: int = 1) -> dict[str, Any]:
    """What is found through nginx, set up as the how-to shows it, with these changes."""
    server.register()
    with nginx(directory, server, changes) as front:
        # Nobody knows the certificate's authority, which is the one thing that fails here.
        return examined(directory, "--url", f"https://{PROXY}:{front.port}", "--insecure", code=code)


@linux
def test_nginx_as_the_how_to_shows_it_lets_all_through(tmp_path: Path) -> None:
    with behind(tmp_path) as server:
        found = through(tmp_path, server, LET_IN)
        failed = [check for check, finding in found.items() if finding["state"] == "fail"]
        assert failed == ["TLS chain and name"]
        checks = ("address of clients", "TLS as the server sees it", "largest body", *TRIPS)
        assert states(found, *checks) == ["ok"] * 8
        assert "nginx" in found["GET /healthz"]["found"]


@linux
def test_an_nginx_that_hides_the_admin_api_leaves_one_check_out(tmp_path: Path) -> None:
    with behind(tmp_path) as server:
        found = through(tmp_path, server, {})
        assert states(found, "address of clients", "push to a tag") == ["skip", "ok"]


@linux
def test_a_proxy_that_is_not_trusted_is_found(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        found = through(tmp_path, server, LET_IN)
        assert states(found, "address of clients", "TLS as the server sees it") == ["fail", "fail"]
        assert found["address of clients"]["mend"] == '"trusted_proxies": ["127.0.0.1"]'


@linux
def test_a_proxy_that_passes_on_what_clients_claim_is_found(tmp_path: Path) -> None:
    with behind(tmp_path) as server:
        changes = {"proxy_set_header X-Forwarded-For   $remote_addr;": "", **LET_IN}
        found = through(tmp_path, server, changes)
        assert found["address of clients"]["state"] == "fail"
        assert "claim any address" in found["address of clients"]["found"]


@linux
@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("WebSocket", {"proxy_set_header Upgrade           $http_upgrade;": ""}),
        ("largest body", {"client_max_body_size 1m;": "client_max_body_size 10k;"}),
        ("response buffering", {"proxy_buffering off;": "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"}),
    ],
)
def test_what_a_proxy_does_not_let_through_is_found(tmp_path: Path, check: str, changes: dict[str, str]) -> None:
    with behind(tmp_path) as server:
        found = through(tmp_path, server, changes)
        assert found[check]["state"] == "fail"
        assert "run-behind-a-proxy" in found[check]["mend"]


def test_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    assert_fails(pushery_command(tmp_path, "doctor", "--auth", "nobody"), 2, "--auth takes")
    assert_fails(pushery_command(tmp_path, "doctor", "--url", "nonsense"), 2, "--url takes")
