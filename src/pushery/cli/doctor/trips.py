"""Round trips with an app: a signed request, a wrong one, and a push from the backend's side to a client's.

A random channel and a random tag are used, so that no client of the app hears of it.
"""

import json
import secrets
import time
from typing import Any, Final
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pushery.cli.doctor.finding import Finding, Findings, fail, ok, skip
from pushery.cli.signed import signed_path
from pushery.cli.target import Answer, Target, Unreachable, basic
from pushery.core.apps import App

_NO_BACKENDS: Final = "backends are not served at this address"
_INNER: Final = "give --url the address of admin_listen to have it tried"


def signature(target: Target, app: App, unix_s: int) -> Findings:
    """A request signed with the app's secret is answered 200, one with a wrong secret 401."""
    name = "signature"
    try:
        good = _signed(target, app, app.keys[0].secret, unix_s)
        bad = _signed(target, app, app.keys[0].secret[::-1] + "0", unix_s)
    except Unreachable as error:
        yield fail(name, str(error), "see 'GET /healthz'")
        return
    yield _verdict(good, bad)


def _verdict(good: Answer, bad: Answer) -> Finding:
    name = "signature"
    if _is_elsewhere(good):
        return skip(name, f"{_NO_BACKENDS} (status {good.status})", _INNER)
    if good.status != 200:
        mend = "see 'clock'; a proxy must leave path and query alone"
        return fail(name, f"a good signature is refused: {good.reason}", mend)
    if bad.status != 401:
        found = f"a wrong signature is answered with status {bad.status} instead of 401"
        return fail(name, found, "does a proxy cache?")
    return ok(name, "a good one is answered 200, a wrong one 401")


def _signed(target: Target, app: App, secret: str, unix_s: int) -> Answer:
    path = signed_path("GET", f"/apps/{app.id}/channels", b"", key=app.keys[0].key, secret=secret, unix_s=unix_s)
    return target.ask("GET", path)


def _is_elsewhere(answer: Answer) -> bool:
    """Whether there is no such route: a proxy hides it, or backends have an address of their own."""
    return answer.status in (403, 404, 405) and answer.code in ("", "unknown_route")


def channel_push(clients: Target, backends: Target, app: App) -> Findings:
    """An event of the Pusher dialect: subscribed, published, received."""
    name, channel, text = "push on a channel", f"pushery-doctor-{secrets.token_hex(8)}", secrets.token_hex(8)
    address = f"{clients.websocket}/app/{app.key}?protocol=7&client=pushery-doctor&version=1"

    def ready(opened: ClientConnection) -> None:
        _event(opened, "pusher:connection_established")
        opened.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": channel}}))
        _event(opened, "pusher_internal:subscription_succeeded")

    def push() -> Answer:
        body = json.dumps({"name": "doctor", "channel": channel, "data": text}).encode()
        key, secret = app.keys[0].key, app.keys[0].secret
        path = signed_path("POST", f"/apps/{app.id}/events", body, key=key, secret=secret, unix_s=int(time.time()))
        return backends.ask("POST", path, body, {"Content-Type": "application/json"})

    yield from _trip(name, address, clients, ready, push, lambda opened: _event(opened, "doctor"))


def tag_push(clients: Target, backends: Target, app: App, auth: str) -> Findings:
    """A push of the GoPusher dialect: connected with a tag, pushed to it, received."""
    name, tag, text = "push to a tag", f"pushery-doctor-{secrets.token_hex(8)}", secrets.token_hex(8)

    def push() -> Answer:
        body = urlencode({"content": text, "user_tag": f"^{tag}$"}).encode()
        headers = {**basic(auth), "Content-Type": "application/x-www-form-urlencoded"}
        return backends.ask("POST", f"/api/push/{app.key}", body, headers)

    def receive(opened: ClientConnection) -> None:
        while opened.recv(clients.timeout_s) != text:
            pass

    yield from _trip(name, f"{clients.websocket}/ws/{app.key}/{tag}", clients, lambda opened: None, push, receive)


def _trip(name: str, address: str, clients: Target, ready: Any, push: Any, receive: Any) -> Findings:
    """Connect, push, receive. `ready` waits until the client may be pushed to, `receive` until the push is there."""
    try:
        with connect(address, ssl=clients.tls(), open_timeout=clients.timeout_s, proxy=None) as opened:
            ready(opened)
            began = time.perf_counter()
            answer = push()
            if _is_elsewhere(answer):
                yield skip(name, f"{_NO_BACKENDS} (status {answer.status})", _INNER)
                return
            if answer.status == 401:
                yield fail(name, f"the push is refused: {answer.reason}", "give the right password with --auth")
                return
            if answer.status != 200:
                yield fail(name, f"the push is refused: {answer.reason}", "see the server's log")
                return
            receive(opened)
            yield ok(name, f"connected, pushed and received in {1000 * (time.perf_counter() - began):.1f} ms")
    except InvalidStatus as error:
        told = Answer(error.response.status_code, {}, bytes(error.response.body or b""))
        if told.code in ("token_required", "not_admitted", "origin_not_allowed"):
            yield skip(name, f"this app does not let us in: {told.reason}", "name another app with --app")
        else:
            yield fail(name, f"the client is refused: {told.reason}", "see the check 'WebSocket'")
    except Unreachable as error:
        yield fail(name, f"the push: {error}", "see 'GET /healthz'")
    except _Refused as error:
        yield skip(name, f"this app does not let us in: {error}", "name another app with --app")
    except TimeoutError:
        yield fail(name, "the push was taken, but did not arrive", "do clients and backends reach the same server?")
    except (ConnectionClosed, OSError, InvalidHandshake, ValueError) as error:
        yield fail(name, f"the client's socket: {error}", "see the check 'WebSocket'")


class _Refused(Exception):
    """The server says on the open socket why it lets nobody in."""


def _event(opened: ClientConnection, wanted: str) -> None:
    """Read until an event of that name comes."""
    while True:
        told = json.loads(opened.recv(10))
        if told.get("event") == wanted:
            return
        if told.get("event") == "pusher:error":
            raise _Refused(str(told.get("data", {}).get("message", "an error")))
