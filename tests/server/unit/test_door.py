"""One way into the server: who is listened to, and whose fault a failure was."""

import base64
import json
from collections.abc import Mapping

from structlog.testing import capture_logs

from pushery.core.basicauth import unauthorized
from pushery.core.effects import Outcome, Route
from pushery.core.exchange import Reply, Request
from pushery.core.ports import StorageError
from pushery.server.router import Router
from tests.node.fakes import in_loop
from tests.server.unit.memory import SUPER, Scene


def basic(account: str, password: str) -> dict[bytes, bytes]:
    """The header of HTTP Basic authentication."""
    return {b"authorization": b"Basic " + base64.b64encode(f"{account}:{password}".encode())}


def asked(scene: Scene, headers: Mapping[bytes, bytes], peer: str = "203.0.113.9:1") -> Reply:
    """What a request for the list of apps is answered."""
    return answered(scene, Request("GET", "/api/app-list/1/1", "", headers, b"", peer=peer))


def answered(scene: Scene, request: Request) -> Reply:
    """What a request is answered on a connection of its own."""
    reply = scene.door.answer(request)
    if request.verified:
        scene.door.remember(request)
    assert isinstance(reply, Reply)
    return reply


def code_of(reply: Reply) -> str:
    """The code of an error."""
    return str(json.loads(reply.body)["error"]["code"])


@in_loop
async def test_who_guesses_too_often_is_told_when_to_try_again() -> None:
    scene = Scene()
    scene.guesses.limit = 3
    with capture_logs() as logs:
        assert [asked(scene, basic("admin", f"guess {n}")).status for n in range(5)] == [401, 401, 401, 429, 429]
    refused = asked(scene, basic(*SUPER))
    assert (refused.status, code_of(refused)) == (429, "too_many_failures")
    assert dict(refused.headers) == {"Retry-After": "20"}
    assert [entry for entry in logs if entry["event"] == "credentials_guessed"] == [
        {"event": "credentials_guessed", "log_level": "warning", "source": "203.0.113.9", "limit_per_minute": 3}
    ]
    scene.world.clock.now += 21
    assert asked(scene, basic(*SUPER)).status == 200
    scene.close()


@in_loop
async def test_who_was_right_before_is_listened_to_beside_who_guesses() -> None:
    scene = Scene()
    scene.guesses.limit = 3
    assert asked(scene, basic(*SUPER)).status == 200
    for _ in range(10):
        asked(scene, basic("admin", "guess"))
    assert asked(scene, basic(*SUPER)).status == 200
    assert asked(scene, basic("admin", "guess")).status == 429
    assert asked(scene, basic(*SUPER), peer="203.0.113.8:1").status == 200
    scene.close()


@in_loop
async def test_credentials_count_as_right_only_where_they_have_been_looked_at() -> None:
    scene = Scene()
    scene.guesses.limit = 2
    for number in range(5):
        headers = basic("admin", f"guess {number}")
        answer = scene.door.answer(Request("OPTIONS", "/api/register", "", headers, b"", peer="203.0.113.9:1"))
        assert isinstance(answer, Reply)
        assert answer.status == 204
    assert [asked(scene, basic("admin", f"guess {number}")).status for number in range(5)] == [401, 401, 429, 429, 429]
    scene.close()


@in_loop
async def test_asking_without_credentials_is_no_guess() -> None:
    scene = Scene()
    scene.guesses.limit = 1
    assert [asked(scene, {}).status for _ in range(5)] == [401] * 5
    assert asked(scene, basic(*SUPER)).status == 200
    scene.close()


@in_loop
async def test_wrong_signatures_are_counted_by_their_key() -> None:
    def verify(request: Request, params: Mapping[str, str]) -> Outcome:
        if "right" not in request.query:
            raise unauthorized()
        request.verified = request.query.partition("auth_key=")[2].partition("&")[0]
        return Reply(200)

    scene = Scene(router=lambda node: Router([Route("GET", "/signed", verify, "")]))
    scene.guesses.limit = 2

    def sign(key: str, signature: str) -> int:
        query = f"auth_key={key}&auth_timestamp=1&auth_signature={signature}"
        return answered(scene, Request("GET", "/signed", query, {}, b"", peer="203.0.113.9:1")).status

    assert sign("mine", "right") == 200
    assert [sign("other", "wrong") for _ in range(3)] == [401, 401, 429]
    assert sign("other", "right") == 429
    assert sign("mine", "right") == 200
    for query in (
        "AUTH_KEY=other&AUTH_SIGNATURE=right",
        "auth%5Fkey=other&auth_%73ignature=right",
        "xauth_key=mine&auth_key=other&auth_signature=right",
        "auth_key=mine&auth_key=other&auth_signature=right",
    ):
        answer = scene.door.answer(Request("GET", "/signed", query, {}, b"", peer="203.0.113.9:1"))
        assert isinstance(answer, Reply)
        assert answer.status == 429
    scene.close()


@in_loop
async def test_a_right_signature_vouches_for_no_other_credentials_of_the_request() -> None:
    def verify(request: Request, params: Mapping[str, str]) -> Outcome:
        request.verified = "mine"
        return Reply(200)

    def administer(request: Request, params: Mapping[str, str]) -> Outcome:
        raise unauthorized()

    scene = Scene(
        router=lambda node: Router([Route("GET", "/signed", verify, ""), Route("GET", "/admin", administer, "")])
    )
    scene.guesses.limit = 1
    guess = basic("admin", "guess")
    query = "auth_key=mine&auth_signature=right"
    assert answered(scene, Request("GET", "/signed", query, guess, b"", peer="203.0.113.9:1")).status == 200
    statuses = [
        answered(scene, Request("GET", "/admin", "", guess, b"", peer="203.0.113.9:1")).status for _ in range(2)
    ]
    assert statuses == [401, 429]
    mixed = Request("GET", "/signed", query, guess, b"", peer="203.0.113.9:1")
    assert answered(scene, mixed).status == 429
    assert answered(scene, Request("GET", "/signed", query, {}, b"", peer="203.0.113.9:1")).status == 200
    scene.close()


@in_loop
async def test_a_defect_of_ours_is_logged_and_answered_without_detail() -> None:
    def fail(request: Request, params: Mapping[str, str]) -> Outcome:
        raise StorageError("the disk is full") if request.query else ZeroDivisionError("secret detail")

    scene = Scene(router=lambda node: Router([Route("GET", "/fail", fail, "")]))
    with capture_logs() as logs:
        broken = scene.door.answer(Request("GET", "/fail", "", {}, b""))
        unwritable = scene.door.answer(Request("GET", "/fail", "disk", {}, b""))
    assert isinstance(broken, Reply)
    assert isinstance(unwritable, Reply)
    assert (broken.status, code_of(broken)) == (500, "internal_error")
    assert (unwritable.status, code_of(unwritable)) == (503, "registry_unavailable")
    assert b"secret" not in broken.body
    assert [entry["event"] for entry in logs] == ["request_failed", "registry_failed"]
    assert scene.stats.http_requests == 2
    scene.close()
