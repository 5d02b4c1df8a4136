"""The examples for Django, Flask, FastAPI and Celery: what the pages say of them is so."""

import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from pushery.testing import Recorder, RunningServer, TestingApp, run_server
from tests.asgi.web import serving
from tests.testing.shops import EXAMPLES, django_module, environment, load, pusher_environment

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with run_server() as running:
        yield running


@pytest.fixture
def app(server: RunningServer) -> TestingApp:
    return server.app("shop", client_events=True)


@pytest.fixture
def pushed(server: RunningServer, app: TestingApp) -> Iterator[Recorder]:
    with server.record(app) as recorder:
        yield recorder


def signed_webhook(app: TestingApp, *events: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Body and headers of a webhook as the server sends it."""
    body = json.dumps({"time_ms": time.time_ns() // 1_000_000, "events": list(events)})
    signature = hmac.new(app.secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    return body, {"X-Pusher-Key": app.key, "X-Pusher-Signature": signature}


class Shop:
    """The Django example with a customer who is logged in."""

    def __init__(self, server: RunningServer, app: TestingApp, monkeypatch: pytest.MonkeyPatch) -> None:
        push = django_module("shop.push")
        monkeypatch.setattr(push, "client", server.pusher_client(app))
        users: Any = import_module("django.contrib.auth.models").User.objects
        self.user = users.create_user(f"anna-{app.id}-{time.time_ns()}", password="secret")
        self.orders: Any = django_module("shop.models").Order.objects
        self.client: Any = import_module("django.test").Client()
        self.client.force_login(self.user)


@pytest.fixture
def shop(server: RunningServer, app: TestingApp, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(server, app, monkeypatch)


def test_django_publishes_when_the_transaction_is_in_the_database(shop: Shop, pushed: Recorder) -> None:
    order = shop.orders.create(customer=shop.user)
    assert shop.client.post(f"/orders/{order.pk}/pay").json() == {"paid": True}
    pushed.assert_pushed("order-paid", f"private-customer-{shop.user.pk}", data={"id": order.pk}, times=1)


def test_django_publishes_nothing_that_is_rolled_back(shop: Shop, pushed: Recorder) -> None:
    transaction: Any = import_module("django.db").transaction
    order = shop.orders.create(customer=shop.user)
    with transaction.atomic():
        shop.client.post(f"/orders/{order.pk}/pay")
        pushed.assert_not_pushed()
        transaction.set_rollback(True)
    pushed.assert_not_pushed()
    order.refresh_from_db()
    assert not order.paid


def test_django_goes_on_when_the_server_is_away(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    import pusher

    monkeypatch.setattr("shop.push.client", pusher.Pusher("1", "k", "s", ssl=False, host="127.0.0.1", port=9))
    order = shop.orders.create(customer=shop.user)
    assert shop.client.post(f"/orders/{order.pk}/pay").json() == {"paid": True}
    order.refresh_from_db()
    assert order.paid


def test_django_lets_in_who_may_listen(server: RunningServer, app: TestingApp, shop: Shop) -> None:
    with server.subscribe(app=app) as client:
        own = f"private-customer-{shop.user.pk}"
        form = {"channel_name": own, "socket_id": client.socket_id}
        assert shop.client.post("/pusher/auth", form).json() == {"auth": app.sign(client.socket_id, own)}
        form["channel_name"] = "presence-lobby"
        member = shop.client.post("/pusher/auth", form).json()
        assert json.loads(member["channel_data"])["user_id"] == str(shop.user.pk)
        assert member["auth"] == app.sign(client.socket_id, "presence-lobby", member["channel_data"])
        form["channel_name"] = "private-customer-0"
        assert shop.client.post("/pusher/auth", form).status_code == 403
        shop.client.logout()
        form["channel_name"] = "presence-lobby"
        assert shop.client.post("/pusher/auth", form).status_code == 403


def test_django_takes_webhooks_that_are_signed(app: TestingApp, shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    body, headers = signed_webhook(app, {"name": "channel_occupied", "channel": "orders"})
    answer = shop.client.post("/pusher/webhook", body, content_type="application/json", headers=headers)
    assert answer.status_code == 204
    assert "channel_occupied orders" in capsys.readouterr().out
    headers["X-Pusher-Signature"] = "0" * 64
    assert shop.client.post("/pusher/webhook", body, content_type="text/plain", headers=headers).status_code == 403
    assert shop.client.post("/pusher/webhook", body, content_type="text/plain").status_code == 403


def test_flask_publishes_to_all_but_the_one_who_said_it(
    server: RunningServer, app: TestingApp, pushed: Recorder
) -> None:
    client = load("flask_shop/shop.py", pusher_environment(app)).app.test_client()
    assert client.post("/messages", json={"text": "hi"}).status_code == 403
    client.post("/login/anna")
    with server.subscribe("presence-room", app=app, user_id="anna") as anna:
        with server.subscribe("presence-room", app=app, user_id="bob") as bob:
            said = client.post("/messages", json={"text": "hi"}, headers={"X-Socket-ID": anna.socket_id})
            assert said.status_code == 201
            assert bob.receive().data == {"from": "anna", "text": "hi"}
        server.trigger("presence-room", "end", 1, app)
        assert anna.receive().event == "end"
    pushed.assert_pushed("message", "presence-room", times=1)


def test_flask_signs_and_takes_webhooks(app: TestingApp) -> None:
    client = load("flask_shop/shop.py", pusher_environment(app)).app.test_client()
    client.post("/login/anna")
    form = {"channel_name": "private-user-anna", "socket_id": "1.2"}
    assert client.post("/pusher/auth", data=form).json == {"auth": app.sign("1.2", "private-user-anna")}
    form["channel_name"] = "presence-room"
    member = client.post("/pusher/auth", data=form).get_json()
    assert member["auth"] == app.sign("1.2", "presence-room", member["channel_data"])
    form["channel_name"] = "private-user-bob"
    assert client.post("/pusher/auth", data=form).status_code == 403
    body, headers = signed_webhook(app, {"name": "channel_vacated", "channel": "a"})
    assert client.post("/pusher/webhook", data=body, headers=headers).status_code == 204
    assert client.post("/pusher/webhook", data=body).status_code == 403


def test_fastapi_publishes_and_signs(app: TestingApp, pushed: Recorder) -> None:
    shop = load("fastapi_shop/shop.py")
    with environment(**pusher_environment(app)), serving(shop.app) as site:
        anna = {"X-User": "anna"}
        bid = site.request("POST", "/auctions/7/bids", json={"amount": 20}, headers=anna)
        assert bid.status_code == 201
        pushed.assert_pushed("bid", "auction-7", data={"by": "anna", "amount": 20}, times=1)
        form = {"channel_name": "private-user-anna", "socket_id": "1.2"}
        signed = site.request("POST", "/pusher/auth", data=form, headers=anna)
        assert signed.json() == {"auth": app.sign("1.2", "private-user-anna")}
        form["channel_name"] = "presence-hall"
        member = site.request("POST", "/pusher/auth", data=form, headers=anna).json()
        assert member["auth"] == app.sign("1.2", "presence-hall", member["channel_data"])
        form["channel_name"] = "private-user-bob"
        assert site.request("POST", "/pusher/auth", data=form, headers=anna).status_code == 403


class Forgetful(BaseHTTPRequestHandler):
    """Stands between a backend and the server: passes requests on, and hangs up instead of the first two answers."""

    target = ""
    hung_up = 0
    seen: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(self.headers["Idempotency-Key"])
        passed = {"Idempotency-Key": self.headers["Idempotency-Key"], "Content-Type": self.headers["Content-Type"]}
        with httpx.Client(trust_env=False) as client:
            answer = client.post(f"{self.target}{self.path}", content=body, headers=passed)
        if len(self.seen) <= 2:
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def forgetful(app: TestingApp) -> Iterator[Any]:
    handler = type("Handler", (Forgetful,), {"target": app.url, "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as between:
        thread = threading.Thread(target=between.serve_forever)
        thread.start()
        yield between
        between.shutdown()
        thread.join()


def test_celery_publishes_once_although_answers_get_lost(app: TestingApp, pushed: Recorder, forgetful: Any) -> None:
    tasks = load("celery_shop/tasks.py")
    tasks.app.conf.task_always_eager = True
    with environment(**pusher_environment(app) | {"PUSHER_PORT": str(forgetful.server_port)}):
        result = tasks.publish.delay("orders", "paid", {"id": 1})
    assert result.successful(), result.result
    handler = forgetful.RequestHandlerClass
    assert len(handler.seen) == 3
    assert len(set(handler.seen)) == 1
    pushed.assert_pushed("paid", "orders", data={"id": 1}, times=1)


def test_celery_publishes_from_a_worker(app: TestingApp, pushed: Recorder) -> None:
    start_worker: Any = import_module("celery.contrib.testing.worker").start_worker
    tasks = load("celery_shop/tasks.py")
    with (
        environment(**pusher_environment(app)),
        start_worker(tasks.app, perform_ping_check=False, shutdown_timeout=20.0),
    ):
        tasks.publish.delay("orders", "paid", {"id": 1})
        tasks.publish.delay("orders", "paid", {"id": 2})
        pushed.wait_for("paid", "orders", data={"id": 2})
    assert len(pushed.find("paid")) == 2


def test_the_embedded_example_runs(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / "embedded" / "clock.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.count("told 0 clients the time") == 3
    assert "connect to ws://127.0.0.1:" in ran.stdout
