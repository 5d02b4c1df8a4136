"""kill -9 in the middle of registrations, changes and a fan-out, all at once: what was answered is there afterwards.

`tests/storage/test_kill.py` and `tests/workers/test_kill.py` do the same to the files alone, many times.
"""

import json
import urllib.error
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.faults.hands import REGISTER
from tests.support.server import DEADLINE_S, ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

ROUNDS = 2
JSON = {"Content-Type": "application/json"}
LONG = "z" * 20_000
"""Takes several writes for all sockets together, so that the kill falls into one."""


def until_it_is_gone(act: Callable[[int], bool]) -> int:
    """Do it with rising numbers until the server is gone; how often it was answered."""
    number = 0
    with suppress(urllib.error.URLError, OSError, HTTPException, ValueError):
        while act(number):
            number += 1
    return number


def read_to_the_end(client: ClientConnection) -> list[str]:
    texts = []
    with suppress(ConnectionClosed):
        while True:
            texts.append(str(client.recv(DEADLINE_S)))
    return texts


@pytest.mark.parametrize("number", range(ROUNDS))
def test_what_was_answered_survives_and_what_was_pushed_has_no_holes(tmp_path: Path, number: int) -> None:
    with ServerProcess(tmp_path, fanout_slice=4) as server, ThreadPoolExecutor(32) as threads:
        app = server.register()
        names: list[str] = []

        def register(_: int) -> bool:
            answer = server.request("POST", "/api/register", REGISTER)
            names.append(answer.json["app_key"])
            return answer.status == 200

        def change(value: int) -> bool:
            body = json.dumps({"settings": {"max_batch": value + 1}}).encode()
            return server.request("PATCH", f"/api/admin/apps/{app.key}", body, headers=JSON).status == 200

        def push(value: int) -> bool:
            return server.push(app, f"{value} {LONG}") > 0

        clients = [server.client(app, f"c{each}").__enter__() for each in range(20)]
        read = [threads.submit(read_to_the_end, client) for client in clients]
        busy = [threads.submit(until_it_is_gone, act) for act in (register, change, push)]
        wait_until(lambda: len(names) > 5 + 10 * number, "registrations")
        server.kill()
        _, changed, pushed = (one.result() for one in busy)
        for texts in (one.result() for one in read):
            expected = [f"{value} {LONG}" for value in range(len(texts))]
            assert texts == expected, "a beginning, without holes, and no message in part"
            assert pushed - 1 <= len(texts) <= pushed + 1
        with server:
            listed = server.request("GET", "/api/admin/apps?limit=1000").json["apps"]
            known = {each["app_key"] for each in listed}
            assert set(names) <= known
            assert len(known) <= len(names) + 2
            kept = server.request("GET", f"/api/admin/apps/{app.key}").json["settings"]["max_batch"]
            assert kept in (changed, changed + 1)
            assert int(server.push(TestApp(app.key, app.auth), "again")) == 0
