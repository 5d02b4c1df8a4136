"""Apps in the console: the list with what goes on, and all that the admin API can do to them."""

from threading import Thread

import pytest

from pushery.console.api.apps import matching_apps
from pushery.console.api.slices import SLICE
from pushery.core.apps import App, KeyPair
from tests.console.signedin import Visitor, refusal
from tests.support.server import Answer, ServerProcess, wait_until

SHOP = App(
    id="17",
    key="a" * 32,
    secret="s",
    name="Grand Shop",
    auth_account="scott",
    auth_password="tiger",
    request_ip="",
    registered_ms=0,
    keys=(KeyPair(key="b" * 32, secret="s"),),
)
CHAT = App(
    id="4", key="c" * 32, secret="s", name="chat", auth_account="x", auth_password="y", request_ip="", registered_ms=0
)


@pytest.mark.parametrize("text", ["grand", "shop", "17", "scott", "a" * 32, "b" * 32])
def test_an_app_is_found_by_its_name_id_account_and_keys(text: str) -> None:
    assert list(matching_apps([SHOP, CHAT], text)) == [[SHOP]]


def test_an_app_is_not_found_by_what_is_secret() -> None:
    assert list(matching_apps([SHOP, CHAT], "tiger")) == [[]]


def test_many_apps_are_searched_in_slices() -> None:
    assert [len(some) for some in matching_apps([SHOP] * (2 * SLICE + 5), "shop")] == [SLICE, SLICE, 5]


@pytest.mark.process
def test_a_search_does_not_mind_case_or_space_around_it(shared: ServerProcess) -> None:
    operator, app = Visitor(shared), shared.register("Quiet Pond")
    for text in ("quiet", "QUIET", "%20pond%20"):
        assert [row["app_key"] for row in operator.seen(f"/apps?search={text}")["apps"]] == [app.key]


@pytest.mark.process
def test_the_list_tells_what_goes_on_in_each_app(shared: ServerProcess) -> None:
    operator, app = Visitor(shared), shared.register("lively")
    with shared.client(app, "A:1") as client:
        shared.push(app, "hello")
        client.recv()
        [row] = operator.seen("/apps?search=lively")["apps"]
    assert (row["name"], row["app_key"]) == ("lively", app.key)
    assert row["now"] == {"connections": 1, "pushes": 1, "messages_out": 1}
    assert "enabled" in row["settings"], "as the app by itself is shown"


@pytest.mark.process
def test_the_list_comes_in_pages(shared: ServerProcess) -> None:
    operator = Visitor(shared)
    keys = [shared.register(f"page{number}").key for number in range(3)]
    first, second = (operator.seen(f"/apps?search=page&limit=2&offset={offset}") for offset in (0, 2))
    assert [app["app_key"] for app in first["apps"] + second["apps"]] == keys
    assert (first["total"], first["limit"], second["offset"]) == (3, 2, 2)
    assert refusal(operator.get("/apps?limit=0")) == (400, "malformed_parameter")


@pytest.mark.process
def test_an_apps_admin_gets_a_list_of_his_own(shared: ServerProcess) -> None:
    shared.register("other")
    app = shared.register("alone", ("loner", "quiet"))
    assert [row["app_key"] for row in Visitor(shared, app.auth).seen("/apps")["apps"]] == [app.key]


@pytest.mark.process
def test_an_app_lives_and_dies_by_the_console(shared: ServerProcess) -> None:
    operator = Visitor(shared)
    app = operator.done("POST", "/apps", {"name": "brief", "settings": {"max_batch": 20}}, 201)
    path = f"/apps/{app['app_key']}"
    changed = operator.done("PATCH", path, {"name": "briefly", "settings": {"max_batch": None}})
    assert (changed["name"], changed["settings"]["max_batch"]) == ("briefly", 10)
    wrong = operator.ask("PATCH", path, {"settings": {"max_batches": 1}})
    assert refusal(wrong) == (400, "invalid_settings")
    assert "did you mean 'max_batch'" in wrong.json["error"]["problems"][0]
    pair = operator.done("POST", f"{path}/keys", status=201)
    assert [key["key"] for key in operator.seen(path)["keys"]] == [app["app_key"], pair["key"]]
    assert len(operator.done("DELETE", f"{path}/keys/{app['app_key']}")["keys"]) == 1
    assert operator.done("DELETE", path) == {"app_key": app["app_key"]}
    assert refusal(operator.get(path)) == (404, "unknown_app")


@pytest.mark.process
def test_masked_passwords_stay_masked(tmp_path_factory: pytest.TempPathFactory) -> None:
    with ServerProcess(tmp_path_factory.mktemp("masked"), mask_passwords=True) as server:
        app, operator = server.register(), Visitor(server)
        for shown in (operator.seen(f"/apps/{app.key}"), operator.seen("/apps")["apps"][0]):
            assert (shown["auth_password"], shown["keys"][0]["secret"]) == ("********", "********")


@pytest.mark.process
def test_who_has_lost_an_app_meanwhile_cannot_change_it_nor_learn_its_new_password(shared: ServerProcess) -> None:
    app = shared.register(auth=("ousted", "one"))
    operator, ousted = Visitor(shared), Visitor(shared, ("ousted", "one"))
    answers: list[Answer] = []

    def insist() -> None:
        answer = ousted.ask("PATCH", f"/apps/{app.key}", {"name": "mine"})
        while answer.status == 200:
            answers.append(answer)
            answer = ousted.ask("PATCH", f"/apps/{app.key}", {"name": "mine"})

    insistent = [Thread(target=insist) for _ in range(6)]
    for each in insistent:
        each.start()
    wait_until(lambda: len(answers) > 20, "changes are waiting for each other")
    operator.done("PATCH", f"/apps/{app.key}", {"auth_password": "another"})
    for each in insistent:
        each.join()
    assert {answer.json["auth_password"] for answer in answers} == {"one"}
