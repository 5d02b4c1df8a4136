"""The console behind real proxies, set up by the files that we ship: only by its own name, from the right address."""

import json
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.fronts import ADMIT, CONSOLE, Front, behind, caddy, haproxy, nginx
from tests.support.server import ADMIN, DEADLINE_S

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="it takes further addresses of the loopback"),
]

Proxy = Callable[..., AbstractContextManager[Front]]
PROXIES = pytest.mark.parametrize("proxy", [nginx, haproxy, caddy], ids=lambda proxy: proxy.__name__)


def sign_in(front: Front, host: str) -> str:
    """The session's cookie as it is set, with its attributes."""
    form, _ = front.ask("GET", "/console/sign-in", headers={"Host": host})
    assert form.status == 200, form
    found = re.search(r"(?:__Host-)?pushery_console_form=(\w+)", form.headers["Set-Cookie"])
    assert found is not None
    fields = urlencode({"account": ADMIN[0], "password": ADMIN[1], "csrf": found[1]}).encode()
    headers = {"Host": host, "Content-Type": "application/x-www-form-urlencoded", "Cookie": found[0]}
    reply, _ = front.ask("POST", "/console/sign-in", fields, headers)
    assert reply.status == 303, reply
    assert reply.headers["Location"].startswith("/console")
    return str(reply.headers["Set-Cookie"])


@PROXIES
def test_the_console_works_by_its_own_name(proxy: Proxy, tmp_path: Path) -> None:
    with behind(tmp_path) as server, proxy(tmp_path, server, ADMIT) as front:
        host = f"{CONSOLE}:{front.port}"
        cookie = sign_in(front, host)
        assert {"Path=/", "HttpOnly", "SameSite=Strict", "Secure"} <= set(cookie.split("; "))
        session = {"Cookie": cookie.partition(";")[0]}
        script, _ = front.ask("GET", "/console/static/app.js", headers={"Host": host, **session})
        assert (script.status, script.headers.get_content_type()) == (200, "text/javascript")

        def feed(origin: str) -> Any:
            return front.socket(f"wss://{host}/console/feed?protocol=7", session, origin=origin)

        with feed(f"https://{host}") as socket:
            assert json.loads(socket.recv(DEADLINE_S))["event"] == "pusher:connection_established"
            socket.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": "private-overview"}}))
            assert json.loads(socket.recv(DEADLINE_S))["event"] == "pusher_internal:subscription_succeeded"
        with pytest.raises(InvalidStatus) as refused, feed("https://push.example.com"):
            pass
        assert refused.value.response.status_code == 403
        answer, _ = front.ask("GET", "/metrics", headers={"Host": host})
        assert answer.status == 200


@PROXIES
def test_the_console_is_not_there_for_other_addresses(proxy: Proxy, tmp_path: Path) -> None:
    with behind(tmp_path) as server, proxy(tmp_path, server) as front:
        for path in ("/console/sign-in", "/console/static/app.js", "/api/admin/apps", "/metrics", "/healthz"):
            answer, _ = front.ask("GET", path, headers={"Host": f"{CONSOLE}:{front.port}"})
            assert answer.status == 403, path
