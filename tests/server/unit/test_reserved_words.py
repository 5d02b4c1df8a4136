"""The words that no app is called: enough of them for every path to lead where it should, whatever an app is called."""

import json
from collections.abc import Mapping
from typing import Any

from docsite.surface import surface
from pushery.core.appchanges import RESERVED, given_problem
from pushery.core.effects import Outcome, Route
from pushery.core.exchange import Refusal, Reply, Request
from pushery.server.router import Router

NAMED = ("{app_key}", "{key}", "{app_id}")


def named(route: Route) -> Route:
    """The same route, which answers with its own path and its parameters."""

    def handle(request: Request, params: Mapping[str, str]) -> Outcome:
        return Reply(200, json.dumps([route.path, dict(params)]).encode())

    return Route(route.method, route.path, handle, route.summary, prefixed=route.prefixed)


def test_no_word_of_the_servers_paths_that_may_be_a_key_or_an_id_leads_astray() -> None:
    """Whoever adds a route whose words stand where a key may is told here to reserve them."""
    routes = surface().routes
    router = Router([named(route) for route in routes])
    segments = {segment for route in routes for segment in route.path.split("/")}
    assert {path.split("/")[1] for path in (route.path for route in routes)} <= {*RESERVED, ""}
    words = [word for word in segments if given_problem("key", word) is None]
    assert "events" in words
    places = [route for route in routes if any(name in route.path for name in NAMED)]
    for route in places:
        for prefix in ("", "/behind", "/behind/more") if route.prefixed else ("",):
            for word in words:
                assert led_to(router, route, prefix, word) == (route.path, {word}), (route.method, route.path, word)


def led_to(router: Router, route: Route, prefix: str, word: str) -> tuple[str, set[str]]:
    """Which route answers where `word` is the key and the id, and what it takes for those."""
    path = route.path
    for name in NAMED:
        path = path.replace(name, word)
    for part in path.split("/"):
        if part.startswith("{"):
            path = path.replace(part, "1")
    try:
        outcome = router.dispatch(Request(route.method, prefix + path, "", {}, b""))
    except Refusal as refusal:
        return refusal.code, set()
    assert isinstance(outcome, Reply)
    answered: tuple[str, dict[str, Any]] = json.loads(outcome.body)
    return answered[0], {value for name, value in answered[1].items() if f"{{{name}}}" in NAMED}
