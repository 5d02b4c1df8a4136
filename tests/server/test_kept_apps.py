"""An app that comes from another server with its key, id and secret: whatever knew it there finds it here."""

import hmac
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import md5, sha256
from typing import Any

import pytest
from msgspec.structs import replace as replace_in
from pusher.errors import PusherError
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close

from pushery.core.apps import AppDraft, KeyPair
from pushery.storage import open_app_store
from tests.cli.test_cli import assert_fails, fields_of, pushery_command
from tests.clients.plain import plain_socket
from tests.clients.site import Account
from tests.console.signedin import Visitor
from tests.console.test_feed import page
from tests.support.server import ADMIN, DEADLINE_S, Answer, ServerProcess, TestApp, wait_until
from tests.workers.receiver import receiving

pytestmark = pytest.mark.process

PAIR = KeyPair(key="a-second-key", secret="a-second-secret")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests here."""
    with ServerProcess(tmp_path_factory.mktemp("server"), webhook_private_addresses=True) as running:
        yield running


def register(server: ServerProcess, **members: object) -> Answer:
    """Ask for an app over the admin API."""
    body = json.dumps({"name": "moved", **members}).encode()
    return server.request("POST", "/api/admin/apps", body, headers={"Content-Type": "application/json"})


def kept(server: ServerProcess, name: str, app_id: str = "", **settings: object) -> Account:
    """An app with a key, an id and a secret of its own choice, made of `name`."""
    account = Account(app_id or f"{name}-id", f"{name}-key", f"{name}-secret")
    given = {"app_id": account.id, "app_key": account.key, "app_secret": account.secret}
    answer = register(server, **given, settings=settings)
    assert answer.status == 201, answer
    assert (answer.json["app_id"], answer.json["app_key"]) == (account.id, account.key)
    assert [pair["secret"] for pair in answer.json["keys"]] == [account.secret]
    return account


def test_backends_and_clients_go_on_with_what_they_had(server: ServerProcess) -> None:
    account = kept(server, "pusher", "1234567")  # the library from PyPI takes digits only
    backend = account.backend(server.port)
    with plain_socket(server.port, account) as socket:
        socket.subscribe("news")
        socket.subscribe("private-a", backend.authenticate("private-a", socket.id))
        presence = backend.authenticate("presence-a", socket.id, {"user_id": "u1"})
        socket.subscribe("presence-a", presence)
        backend.trigger(["news", "private-a"], "greeting", {"text": "hello"})
        assert sorted(socket.next()[0] for _ in range(2)) == ["news", "private-a"]
        assert backend.users_info("presence-a") == {"users": [{"id": "u1"}]}
    for wrong in (replace(account, secret="other"), replace(account, id="7654321")):
        with pytest.raises(PusherError):
            wrong.backend(server.port).trigger("news", "e", 1)


def shown(server: ServerProcess, account: Account) -> Any:
    """What the admin API says of an app."""
    return server.request("GET", f"/api/admin/apps/{account.key}").json


def trigger(server: ServerProcess, account: Account, channel: str, event: str) -> int:
    """Publish an event as a library for backends does that takes any id; returns the status."""
    body = json.dumps({"name": event, "channels": [channel], "data": "1"}).encode()
    path = f"/apps/{account.id}/events"
    digest = md5(body, usedforsecurity=False).hexdigest()
    query = f"auth_key={account.key}&auth_timestamp={int(time.time())}&auth_version=1.0&body_md5={digest}"
    signature = hmac.new(account.secret.encode(), f"POST\n{path}\n{query}".encode(), sha256).hexdigest()
    return server.request("POST", f"{path}?{query}&auth_signature={signature}", body, None).status


@pytest.mark.parametrize("name", ["app", "laravel_herd"])
def test_an_id_of_letters_is_as_good_as_one_of_digits(server: ServerProcess, name: str) -> None:
    account = kept(server, name)
    with plain_socket(server.port, account) as socket:
        socket.subscribe("news")
        assert trigger(server, account, "news", "greeting") == 200
        assert socket.next() == ("news", "greeting", 1)
    assert trigger(server, replace(account, secret="other"), "news", "greeting") == 401
    assert trigger(server, replace(account, id=f"{name}-ID"), "news", "greeting") == 404


def test_gopushers_routes_take_a_kept_key_too(server: ServerProcess) -> None:
    account = kept(server, "gopusher")
    app = TestApp(account.key, ADMIN)
    with server.client(app, "A:1") as client:
        assert server.push(app, "hello", "^A:1$") == 1
        assert client.recv(20) == "hello"
        assert server.online(app) == ["A:1"]
    assert server.request("DELETE", f"/api/{account.key}/unregister").status == 200


def test_webhooks_are_signed_with_the_kept_key_and_secret(server: ServerProcess) -> None:
    with receiving() as receiver:
        account = kept(server, "hooked", webhooks=[{"url": receiver.url}])
        with plain_socket(server.port, account) as socket:
            socket.subscribe("news")
            [hook, *_] = wait_until(lambda: receiver.requests, "the webhook")
    assert hook.headers["X-Pusher-Key"] == account.key
    signed = hmac.new(account.secret.encode(), hook.body, sha256).hexdigest()
    assert hook.headers["X-Pusher-Signature"] == signed


def test_a_key_or_id_that_is_taken_is_said_and_nothing_is_registered(server: ServerProcess) -> None:
    account = kept(server, "taken")
    made = server.register().reply["app_id"]
    before = server.request("GET", "/api/admin/apps?limit=1").json["total"]
    for given, code in (
        ({"app_key": account.key}, "key_taken"),
        ({"app_id": account.id}, "id_taken"),
        ({"app_id": made}, "id_taken"),
        ({"app_key": account.key, "app_id": account.id}, "key_taken"),
    ):
        answer = register(server, **given)
        assert (answer.status, answer.json["error"]["code"]) == (409, code)
        assert answer.json["error"]["parameter"] == f"app_{code.partition('_')[0]}"
    assert server.request("GET", "/api/admin/apps?limit=1").json["total"] == before


def test_an_apps_own_admin_gives_no_keys(server: ServerProcess) -> None:
    app = server.register()
    body = json.dumps({"name": "x", "app_key": "mine"}).encode()
    kind = {"Content-Type": "application/json"}
    assert server.request("POST", "/api/admin/apps", body, app.auth, headers=kind).status == 401


def test_what_comes_from_elsewhere_is_there_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    with ServerProcess(tmp_path_factory.mktemp("restarted")) as server:
        account = kept(server, "app")
        server.stop()
        server.start()
        with plain_socket(server.port, account) as socket:
            socket.subscribe("news")
            assert trigger(server, account, "news", "e") == 200
            assert socket.next() == ("news", "e", 1)


def test_the_command_line_keeps_them_and_a_running_server_follows(server: ServerProcess) -> None:
    (server.directory / "secret.txt").write_text("cli-secret\n")
    kept_so = ("--id", "cli-id", "--key", "cli-key", "--secret", "@secret.txt")
    told = fields_of(pushery_command(server.directory, "app", "add", "moved", *kept_so))
    assert (told["app_id"], told["app_key"], told["app_secret"]) == ("cli-id", "cli-key", "cli-secret")
    wait_until(lambda: server.request("GET", "/api/admin/apps/cli-key").status == 200, "the server to take it in")
    account = Account("cli-id", "cli-key", "cli-secret")
    with plain_socket(server.port, account) as socket:
        socket.subscribe("news")
        done = pushery_command(
            server.directory, "push", "cli-key", "1", "--channel", "news", "--event", "e", "--url", server.url
        )
        assert done.returncode == 0, done.stderr
        assert socket.next()[:2] == ("news", "e")
    again = pushery_command(server.directory, "app", "add", "moved", *kept_so)
    assert_fails(again, 1, "the key cli-key belongs to an app here")
    again = pushery_command(server.directory, "app", "add", "moved", "--id", "cli-id")
    assert_fails(again, 1, "the id cli-id belongs to an app here")


def test_an_app_that_is_removed_and_registered_again_with_all_it_had_is_another(server: ServerProcess) -> None:
    account = kept(server, "again")
    app = TestApp(account.key, ADMIN)
    with plain_socket(server.port, account) as old, server.client(app, "A:1") as old_tag:
        with closing(open_app_store(str(server.settings["sqldir"]))) as store:  # as the command line does
            [before] = [each for each in store.load() if each.key == account.key]
            store.change(account.key, lambda each: replace_in(each, name="changed", keys=(*each.keys, PAIR)))
            wait_until(lambda: shown(server, account)["name"] == "changed", "the server to take the change in")
            assert server.push(app, "still here") == 1
            assert old_tag.recv(DEADLINE_S) == "still here"
            store.remove(account.key)
            draft = {name: getattr(before, name) for name in AppDraft.__struct_fields__}
            store.add(AppDraft(**draft | {"registered_ms": int(time.time() * 1000)}), account.id)
        with pytest.raises(ConnectionClosed) as closed:
            old_tag.recv(DEADLINE_S)
        assert closed.value.rcvd == Close(4001, "app unregistered")
        assert old.frame("pusher:error")["data"]["code"] == 4001
    with server.client(app, "A:1") as new:
        assert server.push(app, "hello") == 1
        assert new.recv(DEADLINE_S) == "hello"


@pytest.mark.parametrize("name", ["private-app-x", "private-stream-", "x" * 60, "-", "overview"])
def test_the_console_shows_an_app_whatever_its_key_looks_like(server: ServerProcess, name: str) -> None:
    account = kept(server, name[:57])
    channel = f"private-stream-{account.key}"
    with page(Visitor(server)) as shown:
        for each in (channel, f"private-app-{account.key}"):
            assert shown.subscribe(each) == "pusher_internal:subscription_succeeded"
        shown.subscribe("private-overview")
        shown.told("private-overview")  # by now it looks
        assert trigger(server, account, "news", "seen") == 200
        [seen] = shown.sightings(TestApp(account.key, ADMIN), 1)
    assert seen["event"] == "seen"
