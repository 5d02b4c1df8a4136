"""Somebody who is signed in to the console of a running server, and asks as its pages do."""

import json
import re
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from pushery.testing.account import TestingApp
from tests.support.server import ADMIN, DEADLINE_S, Answer, ServerProcess, TestApp


class Visitor:
    """A session. `csrf` is sent along with every change."""

    def __init__(self, server: ServerProcess, auth: tuple[str, str] = ADMIN) -> None:
        self.server = server
        self.cookie = _signed_in(server, auth)
        self.csrf: str = self.get("/me").json["csrf"]

    def ask(self, method: str, path: str, body: object = None, csrf: str | None = None) -> Answer:
        """Ask for `path` below /console/api."""
        headers = {"Cookie": self.cookie}
        if method != "GET":
            headers["X-CSRF-Token"] = self.csrf if csrf is None else csrf
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        return self.server.request(method, f"/console/api{path}", data, None, headers)

    def get(self, path: str) -> Answer:
        """Look at something."""
        return self.ask("GET", path)

    def seen(self, path: str) -> Any:
        """What is answered where all is well."""
        return _well(self.get(path))

    def done(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        """What a change is answered where all is well."""
        return _well(self.ask(method, path, body), status)


def refusal(answer: Answer) -> tuple[int, str]:
    """Status and code of an error."""
    return answer.status, answer.json["error"]["code"]


def _well(answer: Answer, status: int = 200) -> Any:
    assert answer.status == status, answer
    return answer.json


def _signed_in(server: ServerProcess, auth: tuple[str, str]) -> str:
    """The cookie that the sign-in form gives."""
    form = server.request("GET", "/console/sign-in", auth=None)
    found = re.search(r"(?:__Host-)?pushery_console_form=(\w+)", form.headers["Set-Cookie"])
    assert found is not None
    fields = {"account": auth[0], "password": auth[1], "csrf": found[1]}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": found[0]}
    connection = HTTPConnection("127.0.0.1", server.admin_port, timeout=DEADLINE_S)
    connection.request("POST", "/console/sign-in", urlencode(fields), headers)
    reply = connection.getresponse()
    connection.close()
    assert reply.status == 303, reply.status
    cookie = reply.headers["Set-Cookie"]
    assert cookie is not None
    return cookie.partition(";")[0]


def account(server: ServerProcess, app: TestApp) -> TestingApp:
    """What clients and backends of an app know of it."""
    reply = app.reply
    return TestingApp(
        name=reply["app_name"],
        id=reply["app_id"],
        key=app.key,
        secret=reply["app_secret"],
        auth=app.auth,
        host="127.0.0.1",
        port=server.port,
    )
