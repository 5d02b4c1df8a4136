"""HTTP as it comes over the wire: pipelines, halves of requests, too much, too slow, and clients that never read."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest

from tests.support.raw import RawConnection, chunked, request
from tests.support.server import ADMIN, Answer, ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

ORIGIN = "https://page.example"
KIB = 1024
MIB = 1024 * KIB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests here; each registers its own app."""
    with ServerProcess(tmp_path_factory.mktemp("server"), cors_origins=[ORIGIN], max_body_bytes=256 * KIB) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that waits for nobody."""
    patience = {"header_timeout": 0.5, "body_timeout": 0.5, "keepalive_timeout": 0.5}
    with ServerProcess(tmp_path_factory.mktemp("impatient"), **patience) as running:
        yield running


@pytest.fixture
def raw(server: ServerProcess) -> Iterator[RawConnection]:
    """A connection to `server`."""
    with RawConnection(server.port) as connection:
        yield connection


def push(app: TestApp, content: str, **headers: str) -> bytes:
    return request("POST", f"/api/push/{app.key}", urlencode({"content": content}).encode(), app.auth, headers)


def assert_error(answer: Answer, status: int, code: str) -> None:
    """The one shape that every error has."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json) == ["error"]
    error = answer.json["error"]
    assert list(error)[:2] == ["code", "message"]
    assert error["code"] == code
    assert re.fullmatch(r".{10,}\.", error["message"], re.DOTALL)


def test_a_connection_answers_one_request_after_another(raw: RawConnection, app: TestApp) -> None:
    for number in range(20):
        raw.send(push(app, f"{number}"))
        answer = raw.answer()
        assert (answer.status, answer.json["content"]) == (200, f"{number}")
        assert answer.headers["Connection"] is None


def test_a_thousand_pipelined_pushes_are_answered_and_delivered_in_order(
    server: ServerProcess, raw: RawConnection, app: TestApp
) -> None:
    contents = [f"push {number}" for number in range(1000)]
    with server.client(app, "A") as socket, raw.sending(b"".join(push(app, content) for content in contents)):
        answers = [raw.answer() for _ in contents]
        received = [socket.recv(20) for _ in contents]
    assert [(answer.status, answer.json["content"], answer.json["total"]) for answer in answers] == [
        (200, content, "1") for content in contents
    ]
    assert received == contents


def test_a_register_in_the_middle_of_pipelined_pushes_keeps_its_place(
    server: ServerProcess, raw: RawConnection, app: TestApp
) -> None:
    fields = urlencode({"app_name": "n", "auth_account": "a", "auth_password": "p"}).encode()
    register = request("POST", "/api/register", fields, ADMIN)
    with server.client(app, "A") as socket:
        raw.send(push(app, "1") + push(app, "2") + register + push(app, "3") + register + push(app, "4"))
        answers = [raw.answer() for _ in range(6)]
        received = [socket.recv(20) for _ in range(4)]
    assert [answer.status for answer in answers] == [200] * 6
    assert [answer.json.get("content", "register") for answer in answers] == [
        "1",
        "2",
        "register",
        "3",
        "register",
        "4",
    ]
    assert received == ["1", "2", "3", "4"]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_chunked_body_is_put_together(raw: RawConnection, app: TestApp, size: int) -> None:
    content = "The quick brown fox. " * 20
    headers = {"Transfer-Encoding": "chunked", "Content-Type": "application/x-www-form-urlencoded"}
    head = request("POST", f"/api/push/{app.key}", auth=app.auth, headers=headers)
    raw.send(head + chunked(urlencode({"content": content}).encode(), size))
    assert raw.answer().json["content"] == content


def test_a_request_that_comes_byte_by_byte_is_one_request(raw: RawConnection, app: TestApp) -> None:
    for byte in push(app, "slowly"):
        raw.send(bytes([byte]))
    assert raw.answer().json["content"] == "slowly"


def test_a_client_that_expects_a_100_gets_one_before_its_body(raw: RawConnection, app: TestApp) -> None:
    head, blank, body = push(app, "expected", Expect="100-continue").partition(b"\r\n\r\n")
    for _ in range(2):
        raw.send(head + blank)
        assert raw.answer().status == 100
        raw.send(body)
        assert raw.answer().json["content"] == "expected"


def test_a_client_that_expects_a_100_for_too_large_a_body_is_refused_at_once(raw: RawConnection, app: TestApp) -> None:
    headers = {"Expect": "100-continue", "Content-Length": str(MIB)}
    raw.send(request("POST", f"/api/push/{app.key}", auth=app.auth, headers=headers))
    assert_error(raw.answer(), 413, "body_too_large")
    assert raw.rest() == b""


def test_head_is_get_without_the_body(raw: RawConnection, app: TestApp) -> None:
    path = f"/api/{app.key}/listonlineuser/0/0"
    raw.send(request("GET", path, auth=app.auth))
    by_get = raw.answer()
    raw.send(request("HEAD", path, auth=app.auth) + request("GET", "/healthz"))
    by_head = raw.answer("HEAD")
    assert (by_head.status, by_head.headers["Content-Length"]) == (200, str(len(by_get.body)))
    assert raw.answer().json == {"status": "ok"}


def test_options_tells_what_a_path_answers(raw: RawConnection, app: TestApp) -> None:
    raw.send(request("OPTIONS", f"/api/push/{app.key}") + request("OPTIONS", "/healthz") + request("OPTIONS", "*"))
    answers = [raw.answer("OPTIONS") for _ in range(3)]
    assert [answer.status for answer in answers] == [204] * 3
    assert [answer.headers["Allow"] for answer in answers] == [
        "OPTIONS, POST",
        "GET, HEAD, OPTIONS",
        "DELETE, GET, HEAD, OPTIONS, PATCH, POST",
    ]
    raw.send(request("OPTIONS", "/nowhere"))
    assert_error(raw.answer(), 404, "unknown_route")


def test_an_allowed_page_may_read_replies_and_ask_what_it_may_send(raw: RawConnection, app: TestApp) -> None:
    raw.send(push(app, "from a page", Origin=ORIGIN))
    raw.send(request("POST", f"/api/push/{app.key}", b"", headers={"Origin": ORIGIN}))
    wanted = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    raw.send(request("OPTIONS", f"/api/push/{app.key}", headers=wanted))
    answers = [raw.answer(), raw.answer(), raw.answer()]
    assert [answer.status for answer in answers] == [200, 401, 204]
    assert [answer.headers["Access-Control-Allow-Origin"] for answer in answers] == [ORIGIN] * 3
    assert [answer.headers["Vary"] for answer in answers] == ["Origin"] * 3
    assert answers[2].headers["Access-Control-Allow-Methods"] == "OPTIONS, POST"
    assert answers[2].headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"


def test_any_other_page_may_not(raw: RawConnection, app: TestApp) -> None:
    elsewhere = {"Origin": "https://elsewhere.example"}
    raw.send(request("GET", "/healthz", headers=elsewhere) + push(app, "from a page", **elsewhere))
    answers = [raw.answer(), raw.answer()]
    assert [answer.status for answer in answers] == [200, 403]
    assert [answer.headers["Access-Control-Allow-Origin"] for answer in answers] == [None, None]


def test_without_the_setting_no_page_may(impatient: ServerProcess) -> None:
    with RawConnection(impatient.port) as raw:
        wanted = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
        raw.send(request("GET", "/healthz", headers=wanted) + request("OPTIONS", "/healthz", headers=wanted))
        answers = [raw.answer(), raw.answer("OPTIONS")]
    assert not [name for answer in answers for name in answer.headers if name.startswith("Access-Control")]


def test_a_head_that_is_too_large_is_refused(raw: RawConnection) -> None:
    raw.send(request("GET", "/healthz", headers={"X-Large": "x" * 17 * KIB}))
    answer = raw.answer()
    assert_error(answer, 431, "headers_too_large")
    assert answer.headers["Connection"] == "close"
    assert raw.rest() == b""


def test_a_declared_body_that_is_too_large_is_refused_before_it_comes(raw: RawConnection, app: TestApp) -> None:
    raw.send(request("POST", f"/api/push/{app.key}", auth=app.auth, headers={"Content-Length": str(256 * KIB + 1)}))
    answer = raw.answer()
    assert_error(answer, 413, "body_too_large")
    assert answer.headers["Connection"] == "close"
    assert raw.rest() == b""


def test_a_chunked_body_that_grows_too_large_is_refused_and_the_refusal_arrives(
    raw: RawConnection, app: TestApp
) -> None:
    head = request("POST", f"/api/push/{app.key}", auth=app.auth, headers={"Transfer-Encoding": "chunked"})
    with raw.sending(head + chunked(b"x" * MIB, 10_000)):
        assert_error(raw.answer(), 413, "body_too_large")


def test_what_came_before_a_refused_request_is_answered_first(raw: RawConnection, app: TestApp) -> None:
    raw.send(push(app, "good") + b"BAD\r\n\r\n" + push(app, "never"))
    assert raw.answer().json["content"] == "good"
    assert_error(raw.answer(), 400, "bad_request")
    assert raw.rest() == b""


@pytest.mark.parametrize(
    "beginning",
    [b"GET /healthz HTTP/1.1\r\nHost:", b"POST /api/register HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123"],
    ids=["header", "body"],
)
def test_a_request_that_comes_too_slowly_is_told_so(impatient: ServerProcess, beginning: bytes) -> None:
    with RawConnection(impatient.port) as raw:
        raw.send(request("GET", "/healthz"))
        assert raw.answer().status == 200
        raw.send(beginning)
        answer = raw.answer()
        assert_error(answer, 408, "request_timeout")
        assert answer.headers["Connection"] == "close"
        assert raw.rest() == b""


def test_a_request_that_trickles_in_for_ever_is_cut_too(impatient: ServerProcess) -> None:
    with RawConnection(impatient.port) as raw:
        raw.send(b"GET /healthz HTTP/1.1\r\n")
        raw.socket.settimeout(0.05)

        def trickle() -> bool:
            raw.send(b"X: y\r\n")
            try:
                return bool(raw.socket.recv(4096))
            except TimeoutError:
                return False

        wait_until(trickle, "the end of a request without end")


@pytest.mark.parametrize("sent", [b"", b"\r\n", request("GET", "/healthz")], ids=["nothing", "a line", "a request"])
def test_a_connection_that_stays_idle_is_closed(impatient: ServerProcess, sent: bytes) -> None:
    with RawConnection(impatient.port) as raw:
        raw.send(sent)
        if sent.startswith(b"GET"):
            assert raw.answer().status == 200
        assert raw.rest() == b""


def test_a_connection_that_is_used_all_the_time_is_never_cut(impatient: ServerProcess) -> None:
    started = answered = time.monotonic()
    with RawConnection(impatient.port) as raw:
        while answered < started + 2:
            try:
                raw.send(request("GET", "/healthz"))
                assert raw.answer().status == 200
            except (AssertionError, OSError):
                assert time.monotonic() > answered + 0.4, "cut while it was used"
                return  # the machine stood still, and nobody used it
            answered = time.monotonic()


Refused = tuple[Callable[[TestApp], bytes], int, str]

REFUSALS: dict[str, Refused] = {
    "no route": (lambda app: request("GET", "/nowhere"), 404, "unknown_route"),
    "no such method": (lambda app: request("GET", f"/api/push/{app.key}"), 405, "method_not_allowed"),
    "no credentials": (lambda app: request("POST", "/api/register", b""), 401, "unauthorized"),
    "unknown key, super admin": (lambda app: request("DELETE", "/api/0/unregister", auth=ADMIN), 404, "unknown_app"),
    "unknown key, app admin": (lambda app: request("DELETE", "/api/0/unregister", auth=app.auth), 401, "unauthorized"),
    "no content": (lambda app: request("POST", f"/api/push/{app.key}", b"", app.auth), 400, "missing_parameter"),
    "content not UTF-8": (
        lambda app: request("POST", f"/api/push/{app.key}", b"content=%ff", app.auth), 400, "malformed_parameter",
    ),
    "pattern": (
        lambda app: request("POST", f"/api/push/{app.key}", b"content=x&user_tag=(", app.auth), 400, "invalid_pattern",
    ),
    "limit": (lambda app: request("GET", "/api/app-list/x/1", auth=ADMIN), 400, "malformed_parameter"),
    "body": (
        lambda app: request("POST", "/api/register", b"{", ADMIN).replace(b"x-www-form-urlencoded", b"json"),
        400, "malformed_body",
    ),
    "media type": (
        lambda app: request("POST", "/api/register", b"{", ADMIN).replace(b"x-www-form-urlencoded", b"xml"),
        415, "unsupported_media_type",
    ),
    "handshake": (lambda app: request("GET", f"/ws/{app.key}/A"), 400, "bad_handshake"),
    "not HTTP": (lambda app: b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "bad_request"),
    "no host": (lambda app: b"GET /healthz HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "version": (lambda app: b"GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n", 505, "http_version_not_supported"),
    "expectation": (
        lambda app: request("POST", "/api/register", b"x", headers={"Expect": "a miracle"}), 417, "expectation_failed",
    ),
    "smuggling": (
        lambda app: request("POST", "/api/register", b"", headers={"Transfer-Encoding": "chunked"}),
        400, "bad_request",
    ),
    "connect": (lambda app: b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501, "not_implemented"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSALS)
def test_every_refusal_is_a_json_error(raw: RawConnection, app: TestApp, what: str) -> None:
    make, status, code = REFUSALS[what]
    raw.send(make(app))
    answer = raw.answer()
    assert_error(answer, status, code)
    if status == 401:
        assert re.fullmatch(r'Basic realm="[^"]+", charset="UTF-8"', answer.headers["WWW-Authenticate"] or "")
    if status == 405:
        assert answer.headers["Allow"] == "OPTIONS, POST"
    if code in ("missing_parameter", "malformed_parameter", "invalid_pattern"):
        assert answer.json["error"]["parameter"] in ("content", "user_tag", "limit")


def test_http_1_0_is_answered_and_closed_unless_it_asks_to_stay(raw: RawConnection) -> None:
    raw.send(request("GET", "/healthz", headers={"Connection": "keep-alive"}, version="1.0"))
    answer = raw.answer()
    assert (answer.status, answer.headers["Connection"]) == (200, "keep-alive")
    raw.send(request("GET", "/healthz", version="1.0"))
    answer = raw.answer()
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
    assert raw.rest() == b""


def test_the_last_request_of_a_connection_is_answered_and_nothing_behind_it(
    server: ServerProcess, raw: RawConnection, app: TestApp
) -> None:
    with server.client(app, "A") as socket:
        raw.send(push(app, "first") + push(app, "last", Connection="close") + push(app, "behind"))
        assert raw.answer().headers["Connection"] is None
        assert raw.answer().headers["Connection"] == "close"
        assert raw.rest() == b""
        server.push(app, "from elsewhere")
        assert [socket.recv(20) for _ in range(3)] == ["first", "last", "from elsewhere"]


def test_a_client_that_has_finished_sending_is_still_answered(raw: RawConnection, app: TestApp) -> None:
    raw.send(push(app, "the only one"))
    raw.finish_sending()
    assert raw.answer().json["content"] == "the only one"
    assert raw.rest() == b""


def test_a_client_that_has_finished_sending_is_still_answered_what_takes_time(raw: RawConnection, app: TestApp) -> None:
    fields = urlencode({"app_name": "n", "auth_account": "a", "auth_password": "p"}).encode()
    raw.send(request("POST", "/api/register", fields, ADMIN) + push(app, "after it"))
    raw.finish_sending()
    assert raw.answer().status == 200
    assert raw.answer().json["content"] == "after it"
    assert raw.rest() == b""


def test_a_long_pipeline_is_answered_to_its_end_when_the_client_has_finished_sending(
    server: ServerProcess, app: TestApp
) -> None:
    with RawConnection(server.port, receive_buffer=4096) as raw:
        with raw.sending(b"".join(push(app, f"{number} {'x' * 500}") for number in range(1000))):
            first = raw.answer()
        raw.finish_sending()
        answers = [first, *(raw.answer() for _ in range(999))]
        assert raw.rest() == b""
    assert [int(answer.json["content"].split()[0]) for answer in answers] == list(range(1000))


def test_half_a_request_and_the_end_is_no_request(server: ServerProcess, raw: RawConnection, app: TestApp) -> None:
    with server.client(app, "A") as socket:
        raw.send(push(app, "half")[:-2])
        raw.finish_sending()
        assert raw.rest() == b""
        server.push(app, "whole")
        assert socket.recv(20) == "whole"


@pytest.mark.parametrize("upgrade", ["h2c", "TLS/1.0, foo/2"])
def test_an_offer_to_upgrade_to_something_else_is_ignored(raw: RawConnection, app: TestApp, upgrade: str) -> None:
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": upgrade, "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    raw.send(request("GET", "/healthz", headers=offer) + push(app, "with a body", **offer) + request("GET", "/readyz"))
    assert raw.answer().json == {"status": "ok"}
    assert raw.answer().json["content"] == "with a body"
    assert raw.answer().json == {"status": "ready"}


def test_clients_that_ask_and_never_read_cost_little_memory_and_nobody_else_any_time(
    server: ServerProcess, app: TestApp
) -> None:
    for number in range(30):
        server.register(f"{number}" * 50, ("a" * 200, "p" * 200))
    asking = request("GET", "/api/app-list/0/1", auth=ADMIN) * 200_000
    before = server.resident_bytes
    with contextlib.ExitStack() as stack:
        deaf = [stack.enter_context(RawConnection(server.port, receive_buffer=4096)) for _ in range(4)]
        taken = [raw.send_what_fits(asking) for raw in deaf]
        assert max(taken) < len(asking), "it goes on reading from clients that do not read"
        assert server.push(app, "others are served") == 0
        assert server.resident_bytes - before < 32 * MIB
        answers = [deaf[0].answer().status for _ in range(500)]
        assert answers == [200] * 500
