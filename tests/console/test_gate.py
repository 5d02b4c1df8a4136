"""The console's sign-in over a real server: who gets in, what their browser is told, and who is kept out."""

import re
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.console.signedin import Visitor, refusal
from tests.support.server import ADMIN, DEADLINE_S, ServerProcess

pytestmark = pytest.mark.process

FORM = "application/x-www-form-urlencoded"


def post(server: ServerProcess, path: str, fields: dict[str, str], **headers: str) -> HTTPResponse:
    """What is answered to a form, redirections not followed."""
    connection = HTTPConnection("127.0.0.1", server.admin_port, timeout=DEADLINE_S)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", path, urlencode(fields), {"Content-Type": FORM, **named})
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply


def look(server: ServerProcess, path: str, cookie: str = "") -> HTTPResponse:
    """What is answered, redirections not followed."""
    connection = HTTPConnection("127.0.0.1", server.admin_port, timeout=DEADLINE_S)
    connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply


def form_word(server: ServerProcess) -> tuple[str, str]:
    """The form's word, and the cookie that goes with it."""
    form = server.request("GET", "/console/sign-in", auth=None)
    found = re.search(r"pushery_console_form=(\w+)", form.headers["Set-Cookie"])
    assert found is not None
    assert f'value="{found[1]}"' in form.body.decode()
    return found[1], found[0]


def sign_in(server: ServerProcess, account: str, password: str) -> HTTPResponse:
    """Fill the form in and send it."""
    word, cookie = form_word(server)
    return post(server, "/console/sign-in", {"account": account, "password": password, "csrf": word}, Cookie=cookie)


def test_who_is_not_signed_in_is_sent_to_the_form(shared: ServerProcess) -> None:
    for path in ("/console", "/console/"):
        reply = look(shared, path)
        assert (reply.status, reply.headers["Location"]) == (303, "/console/sign-in")


def test_the_cookie_is_for_this_server_and_no_script_and_no_other_page(shared: ServerProcess) -> None:
    reply = sign_in(shared, *ADMIN)
    assert (reply.status, reply.headers["Location"]) == (303, "/console")
    cookie = reply.headers["Set-Cookie"]
    assert re.fullmatch(r"pushery_console=\w{40}; Path=/console; HttpOnly; SameSite=Strict", cookie)
    cookie = cookie.partition(";")[0]
    assert look(shared, "/console", cookie).status == 200
    assert look(shared, "/console/sign-in", cookie).headers["Location"] == "/console"


def test_a_wrong_password_says_so_on_the_form_without_a_cookie(shared: ServerProcess) -> None:
    for account, password in (("admin", "wrong"), ("nobody", ADMIN[1]), ("", ""), ("\N{SNOWMAN}", "x")):
        reply = sign_in(shared, account, password)
        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"] is None  # else the browser asks by itself
        assert "pushery_console=" not in reply.headers["Set-Cookie"]


def test_a_form_of_another_page_is_not_taken(shared: ServerProcess) -> None:
    word, cookie = form_word(shared)
    fields = {"account": ADMIN[0], "password": ADMIN[1]}
    for sent, with_cookie in (("", cookie), ("0" * 40, cookie), (word, ""), ("\N{SNOWMAN}", cookie)):
        headers = {"Cookie": with_cookie} if with_cookie else {}
        assert post(shared, "/console/sign-in", {**fields, "csrf": sent}, **headers).status == 403


def test_a_form_on_another_port_of_the_host_is_not_taken_though_it_can_set_the_cookie(shared: ServerProcess) -> None:
    fields = {"account": ADMIN[0], "password": ADMIN[1], "csrf": "w"}
    for site, status in (("same-site", 403), ("cross-site", 403), ("same-origin", 303), ("none", 303)):
        reply = post(shared, "/console/sign-in", fields, Cookie="pushery_console_form=w", Sec_Fetch_Site=site)
        assert reply.status == status, site


def test_a_body_that_is_no_form_is_refused_in_words(shared: ServerProcess) -> None:
    assert refusal(shared.request("POST", "/console/sign-in", b"{}", None, {"Content-Type": "text/plain"})) == (
        415,
        "unsupported_media_type",
    )
    for body in (b"&".join([b"a=1"] * 100), b"\xff=\xff"):
        answer = shared.request("POST", "/console/sign-in", body, None, {"Content-Type": FORM})
        assert answer.status in (400, 403)


def test_a_form_that_nobody_fills_in_is_not_even_read(shared: ServerProcess) -> None:
    longest = urlencode({"account": "\N{SNOWMAN}" * 200, "password": "\N{SNOWMAN}" * 200}).encode()
    assert shared.request("POST", "/console/sign-in", longest, None, {"Content-Type": FORM}).status == 403
    huge = b"account=" + b"%41" * 10_000
    answer = shared.request("POST", "/console/sign-in", huge, None, {"Content-Type": FORM})
    assert refusal(answer) == (413, "body_too_large")


def test_signing_out_needs_the_sessions_word_and_ends_it(shared: ServerProcess) -> None:
    visitor = Visitor(shared)
    assert post(shared, "/console/sign-out", {}, Cookie=visitor.cookie).status == 403
    assert visitor.get("/me").status == 200
    reply = post(shared, "/console/sign-out", {}, Cookie=visitor.cookie, X_CSRF_Token=visitor.csrf)
    assert (reply.status, reply.headers["Location"]) == (303, "/console/sign-in")
    assert "Max-Age=0" in reply.headers["Set-Cookie"]
    assert refusal(visitor.get("/me")) == (401, "unauthorized")


@pytest.mark.parametrize("cookie", ["pushery_console=", "pushery_console=x", "pushery_console=é", '"; =;;', "a" * 4000])
def test_a_cookie_that_is_none_of_ours_opens_nothing(shared: ServerProcess, cookie: str) -> None:
    raw = cookie.encode("latin-1", "replace").decode("latin-1")
    assert look(shared, "/console", raw).status == 303


def test_files_are_there_for_the_form_and_nothing_else_is(shared: ServerProcess) -> None:
    assert look(shared, "/console/static/style.css").status == 200
    for path in ("nothing.css", "../gate.py", "%2e%2e/gate.py", "..%2fgate.py"):
        assert look(shared, f"/console/static/{path}").status == 404


def test_guessing_passwords_is_stopped_together_with_that_of_the_api(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, auth_failures_per_minute=3) as server:
        visitor = Visitor(server)
        for _ in range(3):
            assert sign_in(server, "admin", "wrong").status == 401
        assert sign_in(server, "admin", "another").status == 429
        assert server.request("GET", "/api/app-list/1/1", auth=("admin", "third")).status == 429
        assert sign_in(server, *ADMIN).status == 303  # it was right from here before
        assert visitor.get("/me").status == 200


def test_the_console_is_found_with_the_backends_and_can_be_left_out(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, admin_listen="127.0.0.1:0") as server:
        assert server.request("GET", "/console/sign-in", auth=None, port=server.port).status == 404
        assert server.request("GET", "/console/sign-in", auth=None).status == 200
    other = tmp_path / "without"
    other.mkdir()
    with ServerProcess(other, console=False) as server:
        assert server.request("GET", "/console/sign-in", auth=None).status == 404


@pytest.mark.parametrize(
    "other",
    [
        'prefs={"dark":true}',
        "list[0]=1",
        'half="open',
        "name=ä",
        "path=/",
        "flag",
        "note=two words",
        "=nameless",
        "pushery_console=0",
    ],
)
def test_cookies_of_other_programs_on_the_host_do_not_sign_anybody_out(shared: ServerProcess, other: str) -> None:
    cookie = Visitor(shared).cookie
    for sent in (f"{other}; {cookie}", f"{cookie}; {other}", f"{other};{cookie} ;{other}"):
        assert look(shared, "/console", sent).status == 200


def test_guesses_are_told_of_in_the_log_and_whoever_waits_for_how_long(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, auth_failures_per_minute=2) as server:
        for _ in range(2):
            assert sign_in(server, "admin", "wrong").status == 401
        assert 0 < int(sign_in(server, "admin", "another").headers["Retry-After"]) <= 60
        [line] = server.logged("credentials_guessed")
        assert (line["source"], line["limit_per_minute"]) == ("127.0.0.1", 2)


def test_by_tls_the_cookie_is_one_that_nobody_else_on_the_host_can_set(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, trusted_proxies=["127.0.0.1"]) as server:
        by_tls = {"X-Forwarded-Proto": "https"}
        form = server.request("GET", "/console/sign-in", auth=None, headers=by_tls)
        found = re.match(r"(__Host-pushery_console_form=(\w+)); Path=/; Secure; ", form.headers["Set-Cookie"])
        assert found is not None
        fields = {"account": ADMIN[0], "password": ADMIN[1], "csrf": found[2]}
        reply = post(server, "/console/sign-in", fields, Cookie=found[1], **by_tls)
        cookie, attributes = reply.headers["Set-Cookie"].split(";", 1)
        assert cookie.startswith("__Host-pushery_console=")
        assert attributes == " Path=/; Secure; HttpOnly; SameSite=Strict"
        for sent, status in ((cookie, 200), (cookie.removeprefix("__Host-"), 401)):
            headers = {"Cookie": sent, **by_tls}
            assert server.request("GET", "/console/api/me", auth=None, headers=headers).status == status
