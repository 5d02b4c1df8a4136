"""Inside FastAPI and beside Django, as the how-to pages do it, with the official library and real clients."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pusher
import pytest
from pusher.errors import PusherBadAuth

from pushery.testing import ChannelClient, TagClient, TestingApp
from tests.asgi.web import ADMIN, Site, mounted, serving
from tests.support.server import wait_until
from tests.testing.shops import DJANGO, django_module, environment, load

pytestmark = pytest.mark.process


def told_of(site: Site, app: Any) -> TestingApp:
    """The app in the form that the test clients take."""
    key = app["keys"][0]
    return TestingApp(app["name"], app["app_id"], key["key"], key["secret"], ADMIN, "127.0.0.1", site.port)


def library(app: TestingApp) -> pusher.Pusher:
    return pusher.Pusher(app.id, app.key, app.secret, ssl=False, host=app.host, port=app.port)


@contextmanager
def fastapi_site(directory: Path) -> Iterator[Site]:
    variables = {"SHOP_REGISTRY": str(directory / "apps.sqlite"), "SHOP_PUSH_PASSWORD": ADMIN[1]}
    with serving(load("fastapi_shop/mounted.py", variables).app) as site:
        yield site


@contextmanager
def django_site(directory: Path) -> Iterator[Site]:
    variables = {"SHOP_REGISTRY": str(directory / "apps.sqlite"), "SHOP_PUSH_PASSWORD": ADMIN[1]}
    django_module("shop.push")
    with environment(DJANGO_SETTINGS_MODULE="shop.settings"):
        asgi = load(str(DJANGO / "shop" / "asgi.py"), variables)
    with serving(asgi.application) as site:
        yield site


@pytest.fixture(params=[fastapi_site, django_site], ids=["fastapi", "django"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with request.param(tmp_path) as running:
        yield running


@pytest.fixture
def app(site: Site) -> TestingApp:
    return told_of(site, site.register(client_events=True))


def test_the_official_library_publishes_to_subscribers(app: TestingApp) -> None:
    with ChannelClient(app) as client:
        client.subscribe("orders")
        client.subscribe("presence-room", user_id="anna")
        backend = library(app)
        assert backend.trigger(["orders", "nobody"], "paid", {"text": 'é \\ " \u2028'}) == {}
        assert client.receive().data == {"text": 'é \\ " \u2028'}
        assert backend.channels_info()["channels"].keys() == {"orders", "presence-room"}
        assert backend.users_info("presence-room") == {"users": [{"id": "anna"}]}
        backend.trigger_batch([{"channel": "orders", "name": f"e{n}", "data": n} for n in range(10)])
        assert [client.receive().event for _ in range(10)] == [f"e{n}" for n in range(10)]
    wait_until(lambda: not backend.channels_info()["channels"], "the client to be counted out")


def test_private_channels_need_their_signature_and_client_events_arrive(app: TestingApp) -> None:
    backend = library(app)
    with ChannelClient(app) as one, ChannelClient(app) as other:
        assert backend.authenticate("private-a", one.socket_id) == {"auth": app.sign(one.socket_id, "private-a")}
        one.subscribe("private-a")
        other.subscribe("private-a")
        one.send("private-a", "client-hi", {"n": 1})
        assert other.receive().data == {"n": 1}
    with pytest.raises(PusherBadAuth, match="Invalid signature"):
        pusher.Pusher(app.id, app.key, "wrong", ssl=False, host=app.host, port=app.port).trigger("a", "e", 1)


def test_tags_work_beside_channels(site: Site, app: TestingApp) -> None:
    with TagClient(app, "user/7 é") as client:
        fields = {"content": "hello", "user_tag": "^user/7 é$"}
        answer = site.request("POST", f"/api/push/{app.key}", data=fields, auth=ADMIN)
        assert answer.json()["total"] == "1"
        assert client.receive() == "hello"


def test_unregistering_closes_its_clients(site: Site, app: TestingApp) -> None:
    with TagClient(app, "a") as client:
        assert site.request("DELETE", f"/api/admin/apps/{app.key}", auth=ADMIN).status_code == 200
        assert client.wait_closed() == 4001


def test_fastapi_publishes_from_the_same_process(tmp_path: Path) -> None:
    with fastapi_site(tmp_path) as site:
        shop = next(app for app in site.request("GET", "/api/admin/apps", auth=ADMIN).json()["apps"])
        assert site.request("GET", "/key").json() == {"key": shop["app_key"]}
        with ChannelClient(told_of(site, shop)) as client:
            client.subscribe("auction-7")
            assert site.request("POST", "/auctions/7/bids/20").json() == {"reached": 1}
            assert client.receive().data == {"amount": 20}


def test_djangos_own_pages_stay_where_they_are(tmp_path: Path) -> None:
    with django_site(tmp_path) as site:
        assert site.request("GET", "/orders/1/pay").status_code == 405
        assert "Not Found" in site.request("GET", "/nowhere").text
        assert site.request("GET", "/healthz").status_code == 200


def test_below_a_prefix_all_else_is_the_others(tmp_path: Path) -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps([scope["path"], scope["root_path"]]).encode()})

    with serving(mounted(tmp_path).beside(other, prefix="/realtime/")) as site:
        assert site.request("GET", "/healthz").json() == ["/healthz", ""]
        assert site.request("GET", "/realtimes").json() == ["/realtimes", ""]
        assert "/realtime" not in site.request("GET", "/realtime/healthz").text
        assert site.register("/realtime")["app_key"]
