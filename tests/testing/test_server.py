"""A test server, used as a test of somebody else's would use it."""

import base64
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

import pushery
from pushery.testing import RunningServer, TestingApp, run_server

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with run_server() as running:
        yield running


@pytest.fixture(autouse=True)
def clean(server: RunningServer) -> Iterator[None]:
    yield
    server.reset()


def push_by_http(app: TestingApp, content: str, user_tag: str, key: str = "") -> None:
    """As a backend of GoPusher's protocol does."""
    body = urlencode({"content": content, "user_tag": user_tag}).encode()
    request = urllib.request.Request(f"{app.url}/api/push/{app.key}", body)
    request.add_header("Authorization", "Basic " + base64.b64encode(":".join(app.auth).encode()).decode())
    if key:
        request.add_header("Idempotency-Key", key)
    with urllib.request.urlopen(request) as reply:
        assert reply.status == 200


def test_what_the_official_library_triggers_is_recorded_with_nobody_subscribed(server: RunningServer) -> None:
    app = server.app("shop")
    with server.record() as pushed:
        server.pusher_client(app).trigger(["orders", "private-7"], "order-paid", {"id": 7})
    assert pushed.wait_for(event="order-paid", channel="orders").data == {"id": 7}
    assert [each.channel for each in pushed] == ["orders", "private-7"]
    assert {each.app_key for each in pushed} == {app.key}


def test_a_batch_and_a_push_to_tags_are_recorded(server: RunningServer) -> None:
    app = server.app("shop")
    with server.record(app) as pushed:
        server.pusher_client(app).trigger_batch([{"channel": "a", "name": f"e{n}", "data": n} for n in range(3)])
        push_by_http(app, "hello", "^user-7$")
        server.push("for another app")
    assert [each.event for each in pushed] == ["e0", "e1", "e2", ""]
    pushed.assert_pushed(text="hello", tag="user-7")
    pushed.assert_not_pushed(tag="user-8")


def test_what_is_answered_from_memory_is_recorded_once(server: RunningServer) -> None:
    app = server.app("shop")
    with server.record() as pushed:
        for _ in range(3):
            push_by_http(app, "hello", "", key="the-same")
    pushed.assert_pushed(text="hello", times=1)


def test_what_is_refused_is_not_recorded(server: RunningServer) -> None:
    app = server.app("shop")
    with server.record() as pushed, pytest.raises(urllib.error.HTTPError) as refused:
        push_by_http(app, "hello", "(")
    refused.value.close()
    pushed.assert_not_pushed()


def test_client_events_are_recorded_as_such(server: RunningServer) -> None:
    with server.record() as pushed, server.subscribe("presence-room", user_id="anna") as client:
        client.send("presence-room", "client-typing", {"to": "bob"})
        typing = pushed.wait_for("client-typing")
    assert typing.by_client
    assert typing.user_id == "anna"


def test_clients_get_what_is_pushed(server: RunningServer) -> None:
    with server.connect("user/7") as tagged, server.subscribe("orders", "private-x") as channels:
        assert server.push("hello", pattern="^user/7$") == 1
        assert tagged.receive() == "hello"
        assert server.trigger("private-x", "paid", {"id": 1}) == 1
        received = channels.receive()
        assert (received.channel, received.event, received.data) == ("private-x", "paid", {"id": 1})
        channels.unsubscribe("private-x")
        channels.subscribe("later")
        assert server.trigger(["private-x", "later"], "paid", "text") == 1


def test_a_client_that_waits_in_vain_says_so(server: RunningServer) -> None:
    with server.connect("a") as client, pytest.raises(AssertionError, match="waited for a text for tag 'a'"):
        client.receive(timeout_s=0.01)
    with server.subscribe("a") as client, pytest.raises(AssertionError, match="waited for an event"):
        client.receive(timeout_s=0.01)


def test_a_subscription_that_is_refused_says_why(server: RunningServer) -> None:
    with server.subscribe() as client, pytest.raises(AssertionError, match="Invalid"):
        client.subscribe("a b")


def test_resetting_forgets_apps_and_closes_their_clients(server: RunningServer) -> None:
    first = server.default_app
    with server.connect("a") as client:
        server.reset()
        assert client.wait_closed() == 4001
    assert server.default_app != first


def test_two_servers_have_nothing_in_common(server: RunningServer) -> None:
    with run_server() as other, other.record() as pushed:
        assert other.port != server.port
        server.push("hello")
    pushed.assert_not_pushed()


def test_settings_of_the_server_and_of_an_app_are_taken() -> None:
    with run_server(publishes_per_second=1) as server:
        app = server.app("shop", client_events=True)
        server.push("one", app=app)
        with pytest.raises(pushery.Refused, match="More than 1 in a second") as refused:
            server.push("two", app=app)
        assert refused.value.code == "too_fast"


def test_an_app_may_have_the_key_id_and_secret_that_a_program_has_built_in(server: RunningServer) -> None:
    app = server.app("shop", app_key="app-key", app_id="1234567", app_secret="app-secret", client_events=True)
    assert (app.key, app.id, app.secret) == ("app-key", "1234567", "app-secret")
    with server.subscribe("private-orders", app=app) as browser:
        server.pusher_client(app).trigger("private-orders", "order-paid", {"id": 7})
        assert browser.receive().data == {"id": 7}
    with pytest.raises(pushery.Refused, match="The key app-key belongs to an app here"):
        server.app("another", app_key="app-key")
    server.reset()
    assert server.app("shop", app_key="app-key").secret != "app-secret"


def test_wrong_settings_are_told_before_anything_starts() -> None:
    with pytest.raises(pushery.ConfigError, match="unknown setting 'listn'"):
        run_server(listn=":1")
    with pytest.raises(pushery.Refused, match="there is no setting"), run_server() as server:
        server.app("shop", nothing=True)


def test_a_server_that_cannot_start_says_so_and_leaves_no_thread(tmp_path: Path) -> None:
    missing = run_server(sqldir=str(tmp_path / "nowhere" / "apps.sqlite"))
    with pytest.raises(pushery.StartError, match="nowhere"):
        missing.start()
    missing.stop()
    assert not any(thread.name == "pushery" and not is_shared(thread) for thread in threading.enumerate())


def is_shared(thread: threading.Thread) -> bool:
    """Whether a server of the fixtures runs on it: only these live on."""
    thread.join(0.2)
    return thread.is_alive()


def test_a_registry_is_gone_with_its_server() -> None:
    with run_server() as server:
        directory = server.directory
        assert directory.exists()
    assert not directory.exists()


def test_a_second_server_starts_in_less_than_half_a_second() -> None:
    took = []
    for _ in range(3):  # the machine may be busy with something else
        started = time.monotonic()
        with run_server():
            took.append(time.monotonic() - started)
    assert min(took) < 0.5


def test_logging_is_left_as_it_was() -> None:
    program = (
        "import structlog\n"
        "from pushery.testing import run_server\n"
        "with run_server() as server:\n"
        "    server.app('shop')\n"
        "    assert structlog.is_configured()\n"
        "assert not structlog.is_configured()\n"
    )
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
