"""Changes that another site's page has a browser ask for, with the credentials that the browser keeps."""

from collections.abc import Iterator

import pytest

from tests.console.signedin import Visitor
from tests.support.server import ADMIN, DEADLINE_S, Answer, ServerProcess, TestApp

pytestmark = pytest.mark.process

ALLOWED = "https://dashboard.example"
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
FOREIGN_WITHOUT_TLS = {"Origin": "http://evil.example"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests here; pages of one origin may use its API."""
    with ServerProcess(tmp_path_factory.mktemp("server"), cors_origins=[ALLOWED]) as running:
        yield running


@pytest.fixture
def app(server: ServerProcess) -> TestApp:
    """An app of its own for one test."""
    return server.register()


def code_of(answer: Answer) -> tuple[int, str]:
    """Status and code of an error."""
    return answer.status, answer.json["error"]["code"]


@pytest.mark.parametrize("headers", [FOREIGN, FOREIGN_WITHOUT_TLS], ids=["says the site", "says the origin"])
def test_nothing_is_changed(server: ServerProcess, app: TestApp, headers: dict[str, str]) -> None:
    before = server.request("GET", f"/api/admin/apps/{app.key}").json
    known = server.request("GET", "/api/admin/apps").json["total"]
    form = {"app_name": "x", "auth_account": "x", "auth_password": "x", "content": "x"}
    for method, path in (
        ("POST", "/api/register"),
        ("POST", f"/api/push/{app.key}"),
        ("POST", "/api/admin/reload"),
        ("POST", f"/api/admin/apps/{app.key}/keys"),
        ("PATCH", f"/api/admin/apps/{app.key}"),
        ("DELETE", f"/api/admin/apps/{app.key}/keys/{app.key}"),
        ("DELETE", f"/api/admin/apps/{app.key}"),
        ("DELETE", f"/api/{app.key}/unregister"),
        ("POST", "/nowhere"),
    ):
        with server.client(app, "A:1") as client:
            assert code_of(server.request(method, path, form, ADMIN, headers)) == (403, "foreign_page")
            server.push(app, "still here")
            assert client.recv(DEADLINE_S) == "still here"
    assert server.request("GET", f"/api/admin/apps/{app.key}").json == before
    assert server.request("GET", "/api/admin/apps").json["total"] == known
    assert 'pushery_errors_total{kind="foreign_page"}' in server.request("GET", "/metrics", auth=None).body.decode()


def test_own_pages_and_those_of_allowed_origins_may(server: ServerProcess, app: TestApp) -> None:
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": f"http://127.0.0.1:{server.port}"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": f"http://127.0.0.1:{server.port}"},
        {"Sec-Fetch-Site": "cross-site", "Origin": ALLOWED},
        {"Origin": ALLOWED},
        {},
    ):
        answer = server.request("POST", f"/api/push/{app.key}", {"content": "x"}, app.auth, headers)
        assert answer.status == 200, (headers, answer)


def test_what_changes_nothing_is_answered(server: ServerProcess, app: TestApp) -> None:
    assert server.request("GET", "/api/admin/apps", None, ADMIN, FOREIGN).status == 200
    assert server.request("HEAD", "/api/admin/apps", None, ADMIN, FOREIGN).status == 200
    assert server.request("OPTIONS", "/api/register", None, ADMIN, FOREIGN).status == 204


def test_a_client_that_sends_such_credentials_along_still_connects(server: ServerProcess, app: TestApp) -> None:
    kept = {"Authorization": "Basic YTpi", **FOREIGN}
    with server.client(app, "A:1", additional_headers=kept) as client:
        assert server.push(app, "hello") == 1
        assert client.recv(DEADLINE_S) == "hello"


def test_the_consoles_own_changes_go_by_its_cookie_and_word(server: ServerProcess, app: TestApp) -> None:
    visitor = Visitor(server)
    own = {"Cookie": visitor.cookie, "X-CSRF-Token": visitor.csrf, "Origin": f"http://127.0.0.1:{server.port}"}
    path = f"/console/api/apps/{app.key}/keys"
    assert server.request("POST", path, b"", None, own).status == 201
    assert server.request("POST", path, b"", ADMIN, own).status == 201  # as behind a proxy that asks for a password
    foreign = {"Cookie": visitor.cookie, **FOREIGN}
    assert code_of(server.request("POST", path, b"", None, foreign)) == (403, "csrf_token_missing")
    assert code_of(server.request("POST", path, b"", ADMIN, foreign)) == (403, "foreign_page")
