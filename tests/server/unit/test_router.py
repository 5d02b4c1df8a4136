"""From method and path to the function that answers."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.effects import Outcome, Route
from pushery.core.exchange import Refusal, Reply, Request
from pushery.server.router import Router


def route(method: str, path: str) -> Route:
    """A route that answers with its own name and its parameters."""

    def handle(request: Request, params: Mapping[str, str]) -> Outcome:
        said = " ".join(f"{name}={value!r}" for name, value in params.items())
        return Reply(200, f"{method} {path} {said}".strip().encode())

    return Route(method, path, handle, "A route.")


ROUTER = Router(
    [
        route("GET", "/"),
        route("POST", "/api/register"),
        route("DELETE", "/api/{app_key}/unregister"),
        route("GET", "/api/app-list/{limit}/{page}"),
        route("POST", "/api/push/{app_key}"),
        route("GET", "/api/{app_key}/list/{limit}/{page}"),
        route("GET", "/ws/{app_key}/{user_tag}"),
        route("PUT", "/ws/{app_key}/{user_tag}"),
    ]
)


def ask(method: str, path: str) -> str:
    """Which route answers, and with what."""
    outcome = ROUTER.dispatch(Request(method, path, "", {}, b""))
    assert isinstance(outcome, Reply)
    return outcome.body.decode()


def refused(method: str, path: str) -> Refusal:
    """Why nobody answers."""
    with pytest.raises(Refusal) as caught:
        ask(method, path)
    return caught.value


def test_a_path_without_parameters_is_found() -> None:
    assert ask("POST", "/api/register") == "POST /api/register"
    assert ask("GET", "/") == "GET /"


def test_parameters_are_taken_from_their_segments() -> None:
    assert ask("GET", "/ws/key/A:1") == "GET /ws/{app_key}/{user_tag} app_key='key' user_tag='A:1'"
    assert ask("GET", "/api/key/list/2/3") == "GET /api/{app_key}/list/{limit}/{page} app_key='key' limit='2' page='3'"


def test_a_literal_segment_wins_over_a_parameter() -> None:
    assert ask("POST", "/api/push/unregister") == "POST /api/push/{app_key} app_key='unregister'"
    assert ask("GET", "/api/app-list/1/2").startswith("GET /api/app-list/")
    assert ask("DELETE", "/api/pushed/unregister") == "DELETE /api/{app_key}/unregister app_key='pushed'"


@pytest.mark.parametrize(
    "path",
    [
        *("", "*", "//", "/api", "/api/", "/api/register/", "/api/registers", "/API/register", "/api/push", "/ws/key"),
        *("/ws/key/tag/", "/ws/key/tag/more", "/nothing", "/api/app-list/1", "/%61pi/register"),
    ],
)
def test_there_is_nothing_at_any_other_path(path: str) -> None:
    refusal = refused("GET", path)
    assert (refusal.status, refusal.code) == (404, "unknown_route")
    assert ROUTER.methods(path) == [] or path == "*"


def test_an_empty_segment_is_an_empty_parameter() -> None:
    assert ask("GET", "/ws/key/") == "GET /ws/{app_key}/{user_tag} app_key='key' user_tag=''"
    assert ask("GET", "/ws//tag") == "GET /ws/{app_key}/{user_tag} app_key='' user_tag='tag'"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/register", "OPTIONS, POST"),
        ("HEAD", "/api/register", "OPTIONS, POST"),
        ("POST", "/api/app-list/1/2", "GET, HEAD, OPTIONS"),
        ("DELETE", "/ws/key/tag", "GET, HEAD, OPTIONS, PUT"),
        ("get", "/ws/key/tag", "GET, HEAD, OPTIONS, PUT"),
        ("BREW", "/", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method_is_refused_with_those_that_are_answered(method: str, path: str, allowed: str) -> None:
    refusal = refused(method, path)
    assert (refusal.status, refusal.code) == (405, "method_not_allowed")
    assert refusal.headers == (("Allow", allowed),)
    assert ", ".join(ROUTER.methods(path)) == allowed


def test_head_is_answered_as_get() -> None:
    assert ask("HEAD", "/ws/key/A:1") == ask("GET", "/ws/key/A:1")


def test_options_of_everything_names_all_methods() -> None:
    assert ROUTER.methods("*") == ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]


@pytest.mark.parametrize(
    ("segment", "value"),
    [
        ("A%3A1", "A:1"),
        ("a%2Fb", "a/b"),
        ("a%2fb%2F", "a/b/"),
        ("%C3%A9", "é"),
        ("%F0%9F%98%80", "😀"),
        ("a+b", "a+b"),
        ("a%20b%0A%00", "a b\n\x00"),
        ("100%", "100%"),
        ("%zz%4", "%zz%4"),
        ("%2525", "%25"),
        ("%2e%2e", ".."),
        ("..", ".."),
        ("%3F%23", "?#"),
    ],
)
def test_a_segment_is_percent_decoded_once_after_splitting(segment: str, value: str) -> None:
    assert ask("GET", f"/ws/key/{segment}") == f"GET /ws/{{app_key}}/{{user_tag}} app_key='key' user_tag={value!r}"


@pytest.mark.parametrize("segment", ["%ff", "a%C3", "%ED%A0%80", "%C0%AF", "%80abc"])
def test_a_segment_that_is_not_utf8_is_refused_by_name(segment: str) -> None:
    refusal = refused("GET", f"/ws/key/{segment}")
    assert (refusal.status, refusal.code, refusal.extra) == (400, "malformed_parameter", {"parameter": "user_tag"})
    assert refused("GET", f"/ws/{segment}/tag").extra == {"parameter": "app_key"}


@given(st.text(st.characters(max_codepoint=127)), st.sampled_from(["GET", "HEAD", "POST", "DELETE", "OPTIONS", "x"]))
def test_every_path_is_answered_or_refused(path: str, method: str) -> None:
    for asked in (path, "/" + path, "/ws/" + path, "/api/" + path):
        try:
            ask(method, asked)
        except Refusal as refusal:
            assert refusal.status in (400, 404, 405)  # noqa: PT017  # most paths are refused
        assert isinstance(ROUTER.methods(asked), list)
