"""What stands around a client in these tests: a Pushery with two apps, and the website that a client belongs to.

The website serves the page for browsers, answers pusher-js's requests for signatures, and takes webhooks. It signs with
the official library from PyPI, never with code of ours.
"""

import json
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pusher

from tests.support.server import DEADLINE_S, ServerProcess

FOLDER = Path(__file__).parent / "node"
_LIBRARY = FOLDER / "node_modules" / "pusher-js" / "dist" / "web"
PAGES = {
    "/page.html": FOLDER / "page.html",
    "/scene.js": FOLDER / "scene.js",
    "/pusher-with-encryption.min.js": _LIBRARY / "pusher-with-encryption.min.js",
    "/pusher.min.js": _LIBRARY / "pusher.min.js",
    "/pusher-tour.html": FOLDER.parents[2] / "examples" / "pusher-tour.html",
}
"""What the website serves."""
MASTER_KEY = "Y0F6UkgzVzlGWk0zaVhxU05JR3RLenR3TnVDejl4TVY="
"""Of end-to-end encrypted channels: 32 bytes in base64, known to the website and to no Pushery."""
FEATURES = ("client_events", "subscription_count", "user_authentication", "watchlist")


@dataclass(frozen=True)
class Account:
    """What a backend knows of its app."""

    id: str
    key: str
    secret: str

    def backend(self, port: int, **options: Any) -> Any:
        """The library from PyPI, pointed at a server on this machine."""
        return pusher.Pusher(
            app_id=self.id,
            key=self.key,
            secret=self.secret,
            host="127.0.0.1",
            port=port,
            ssl=False,
            encryption_master_key_base64=MASTER_KEY,
            **options,
        )


def register(server: ServerProcess, name: str, **settings: object) -> Account:
    """Register an app with these settings."""
    body = json.dumps({"name": name, "settings": settings}).encode()
    answer = server.request("POST", "/api/admin/apps", body, headers={"Content-Type": "application/json"})
    assert answer.status == 201, answer
    app = answer.json
    return Account(app["app_id"], app["app_key"], app["keys"][0]["secret"])


@dataclass(frozen=True)
class Hook:
    """A webhook as it came in."""

    headers: dict[str, str]
    body: str


@dataclass
class Website:
    """The application's own web server, on another origin than Pushery."""

    server: ThreadingHTTPServer
    signers: dict[str, Any] = field(default_factory=dict)
    hooks: list[Hook] = field(default_factory=list)

    @property
    def url(self) -> str:
        """http://host:port"""
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def website() -> Iterator[Website]:
    """Serve until the block ends."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    listener.daemon_threads = True
    site = Website(listener)
    listener.website = site  # type: ignore[attr-defined]
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        listener.shutdown()
        thread.join(DEADLINE_S)
        listener.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    @property
    def site(self) -> Website:
        found: Website = self.server.website  # type: ignore[attr-defined]
        return found

    def do_GET(self) -> None:
        path = PAGES.get(urlsplit(self.path).path)
        if path is None:
            self._answer(404, b"", "text/plain")
        else:
            self._answer(200, path.read_bytes(), mimetypes.guess_type(path.name)[0] or "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        kind, _, key = self.path.strip("/").partition("/")
        if kind == "hooks":
            self.site.hooks.append(Hook({name.lower(): value for name, value in self.headers.items()}, body))
            self._answer(200, b"", "text/plain")
            return
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if "deny" in form:
            self._answer(403, b'"no"', "application/json")
            return
        reply = sign(self.site.signers[key], kind, form)
        self._answer(200, json.dumps(reply).encode(), "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def sign(backend: Any, kind: str, form: dict[str, str]) -> dict[str, str]:
    """What an endpoint answers: `kind` is "auth" for a channel, "user" to sign in; `user` in the form is JSON.

    With `tamper` the signature is one that nobody made; with `bare` a channel is signed without saying who asks.
    """
    user = json.loads(form["user"]) if "user" in form else None
    if kind == "user":
        reply = backend.authenticate_user(form["socket_id"], user)
    else:
        named = form["channel_name"].startswith("presence-") and "bare" not in form
        custom = user if named else None
        reply = backend.authenticate(form["channel_name"], form["socket_id"], custom)
    if "shared_secret" in reply:
        reply["shared_secret"] = reply["shared_secret"].decode()
    if "tamper" in form:
        reply["auth"] = reply["auth"][:-4] + "0000"
    return dict(reply)


@dataclass(frozen=True)
class Stage:
    """A server, its website, and two apps: `rich` has every feature, `plain` is as an app is at first."""

    server: ServerProcess
    website: Website
    rich: Account
    plain: Account

    def options(self, account: Account, transport: str = "ws", **params: Any) -> dict[str, Any]:
        """Options of a pusher-js client that uses only this transport; `params` go to the website's endpoints."""
        told = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
        return {
            "cluster": "mt1",
            "forceTLS": False,
            "enableStats": False,
            "wsHost": "127.0.0.1",
            "wsPort": self.server.port,
            "httpHost": "127.0.0.1",
            "httpPort": self.server.port,
            "enabledTransports": [transport],
            "channelAuthorization": {
                "transport": "ajax",
                "endpoint": f"{self.website.url}/auth/{account.key}",
                "params": told,
            },
            "userAuthentication": {
                "transport": "ajax",
                "endpoint": f"{self.website.url}/user/{account.key}",
                "params": told,
            },
        }

    def backend(self, account: Account) -> Any:
        """The library from PyPI for this app."""
        return account.backend(self.server.port)


@contextmanager
def stage(directory: Path, *, hooks: bool = False, **settings: object) -> Iterator[Stage]:
    """Start all of it. With `hooks` the website is told what happens in the rich app."""
    with website() as site, ServerProcess(directory, **settings) as server:
        features: dict[str, object] = dict.fromkeys(FEATURES, True)
        if hooks:
            features["webhooks"] = [{"url": f"{site.url}/hooks"}]
        rich, plain = register(server, "rich", **features), register(server, "plain")
        for account in (rich, plain):
            site.signers[account.key] = account.backend(server.port)
        yield Stage(server, site, rich, plain)
