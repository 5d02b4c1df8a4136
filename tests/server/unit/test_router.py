"""From method and path to the function that answers."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.effects import Outcome, Route
from pushery.core.exchange import Refusal, Reply, Request
from pushery.server.router import Router


def route(method: str, path: str, *, prefixed: bool = False) -> Route:
    """A route that answers with its own name and its parameters."""

    def handle(request: Request, params: Mapping[str, str]) -> Outcome:
        said = " ".join(f"{name}={value!r}" for name, value in params.items())
        return Reply(200, f"{method} {path} {said}".strip().encode())

    return Route(method, path, handle, "A route.", prefixed=prefixed)


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


PREFIXED = Router(
    [
        route("GET", "/ws/{app_key}/{user_tag}"),
        route("GET", "/app/{key}", prefixed=True),
        route("POST", "/apps/{app_id}/events", prefixed=True),
        route("GET", "/apps/{app_id}/channels/{channel}", prefixed=True),
        route("POST", "/apps/{app_id}/users/{user_id*}/terminate", prefixed=True),
        route("POST", "/users/{user_id*}/terminate"),
    ]
)


def ask(method: str, path: str, router: Router = ROUTER) -> str:
    """Which route answers, and with what."""
    outcome = router.dispatch(Request(method, path, "", {}, b""))
    assert isinstance(outcome, Reply)
    return outcome.body.decode()


def refused(method: str, path: str, router: Router = ROUTER) -> Refusal:
    """Why nobody answers."""
    with pytest.raises(Refusal) as caught:
        ask(method, path, router)
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


# Routes that may stand behind anything, and parameters of several segments.


@pytest.mark.parametrize("prefix", ["", "/a", "/a/b/c", "/", "//", "/apps", "/app", "/ws/x", "/résumé%20"])
def test_a_prefixed_route_may_stand_behind_anything(prefix: str) -> None:
    assert ask("GET", f"{prefix}/app/KEY", PREFIXED) == "GET /app/{key} key='KEY'"
    assert ask("POST", f"{prefix}/apps/3/events", PREFIXED) == "POST /apps/{app_id}/events app_id='3'"
    assert ask("GET", f"{prefix}/apps/3/channels/a%2Fb", PREFIXED).endswith(" app_id='3' channel='a/b'")


@pytest.mark.parametrize("prefix", ["/my/app/ws", "/app/a/app/b", "/x/app/app/app", "/x/app/"])
def test_a_prefix_may_contain_what_the_path_of_a_route_begins_with(prefix: str) -> None:
    assert ask("GET", f"{prefix}/app/KEY", PREFIXED) == "GET /app/{key} key='KEY'"
    deeper = prefix.replace("app", "apps")
    assert ask("POST", f"{deeper}/apps/3/events", PREFIXED) == "POST /apps/{app_id}/events app_id='3'"


def test_a_route_that_takes_more_of_the_path_literally_wins_over_a_prefixed_one() -> None:
    console = "/console/api/apps/{app_key}/channels/{channel}"
    router = Router([*PREFIXED.routes, route("GET", console)])
    assert ask("GET", "/console/api/apps/3/channels/a", router) == f"GET {console} app_key='3' channel='a'"
    assert ask("GET", "/console/apps/3/channels/a", router).startswith("GET /apps/{app_id}/channels/{channel} ")
    assert ask("GET", "/ws/app/KEY", router) == "GET /app/{key} key='KEY'", "as much of it: the prefixed one"


def test_a_route_that_is_not_prefixed_may_not() -> None:
    assert refused("GET", "/x/ws/key/tag", PREFIXED).status == 404
    assert refused("POST", "/x/users/u/terminate", PREFIXED).status == 404


@pytest.mark.parametrize(
    "path", ["/xapp/KEY", "/x/app", "/app/KEY/more", "/x/app/KEY/more", "/apps/3", "/x/apps/3/event"]
)
def test_a_prefix_is_whole_segments_and_nothing_stands_behind(path: str) -> None:
    assert refused("GET", path, PREFIXED).status == 404


def test_another_method_of_a_prefixed_route_is_refused_as_such() -> None:
    refusal = refused("POST", "/x/app/KEY", PREFIXED)
    assert (refusal.status, refusal.headers) == (405, (("Allow", "GET, HEAD, OPTIONS"),))
    assert PREFIXED.methods("/x/apps/3/events") == ["OPTIONS", "POST"]
    assert PREFIXED.methods("/apps/3/users/a/b/terminate") == ["OPTIONS", "POST"]


@pytest.mark.parametrize(
    ("user_id", "value"),
    [("u", "u"), ("a/b", "a/b"), ("a/b/c/", "a/b/c/"), ("a%2Fb/%C3%A9", "a/b/é"), ("a/terminate", "a/terminate")],
)
def test_a_parameter_of_several_segments_takes_them_slashes_included(user_id: str, value: str) -> None:
    answer = ask("POST", f"/x/apps/3/users/{user_id}/terminate", PREFIXED)
    assert answer == f"POST /apps/{{app_id}}/users/{{user_id*}}/terminate app_id='3' user_id={value!r}"
    assert (
        ask("POST", f"/users/{user_id}/terminate", PREFIXED) == f"POST /users/{{user_id*}}/terminate user_id={value!r}"
    )


def test_a_parameter_of_several_segments_is_not_empty() -> None:
    assert refused("POST", "/users//terminate", PREFIXED).status in (404, 400)
    assert refused("POST", "/users/terminate", PREFIXED).status == 404


@pytest.mark.parametrize(
    "piece", ["/apps/1/users/", "/apps/1/users/a", "/app/", "/apps/1/channels/", "/users/", "/", "a"]
)
def test_a_path_that_is_made_to_take_long_does_not(piece: str) -> None:
    started = time.process_time()
    assert refused("POST", "/" + piece * (64_000 // len(piece)), PREFIXED).status in (404, 405)
    assert time.process_time() - started < 0.3


def test_what_leads_nowhere_is_first_offered_elsewhere() -> None:
    asked: list[str] = []

    def elsewhere(request: Request) -> Outcome | None:
        asked.append(request.path)
        return Reply(200, b"elsewhere") if request.upgrade else None

    router = Router([route("GET", "/")], elsewhere)
    assert router.dispatch(Request("GET", "/nothing", "", {}, b"", upgrade=True)) == Reply(200, b"elsewhere")
    assert refused("GET", "/nothing", router).status == 404
    assert ask("GET", "/", router) == "GET /"
    assert refused("POST", "/", router).status == 405
    assert asked == ["/nothing", "/nothing"]


@given(st.text(st.characters(max_codepoint=127)), st.sampled_from(["GET", "HEAD", "POST", "DELETE", "OPTIONS", "x"]))
def test_every_path_is_answered_or_refused(path: str, method: str) -> None:
    for asked in (path, "/" + path, "/ws/" + path, "/api/" + path):
        try:
            ask(method, asked)
        except Refusal as refusal:
            assert refusal.status in (400, 404, 405)  # noqa: PT017  # most paths are refused
        assert isinstance(ROUTER.methods(asked), list)
    for asked in (path, "/app/" + path, "/x/apps/" + path, f"/users/{path}/terminate"):
        try:
            ask(method, asked, PREFIXED)
        except Refusal as refusal:
            assert refusal.status in (400, 404, 405)  # noqa: PT017  # most paths are refused
