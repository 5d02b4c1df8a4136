"""Which server a command talks to, with whose credentials, and one HTTP request to it.

Knows addresses, TLS and errors, but no route. Invariant: whatever a server or a network does ends in an `Answer` or in
`Unreachable`, whose text is one line.
"""

import base64
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
import typer

from pushery.cli.options import MISUSED, fail, load_or_fail
from pushery.cli.output import Json as Json
from pushery.config import Settings

TIMEOUT_S: Final = 10.0
_LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of an answer that are read at most: the metrics of 100,000 apps fit."""

Url = Annotated[str, typer.Option("--url", help="The server, such as https://push.example.com; else the config's.")]
Auth = Annotated[str, typer.Option("--auth", help="account:password; else the super admin of the config.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Accept any TLS certificate.")]


class Unreachable(Exception):
    """No answer came; says why in one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body decoded; None when it is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    @property
    def reason(self) -> str:
        """What the server says is wrong, else the status."""
        told = self.json
        error = told.get("error") if isinstance(told, dict) else told
        if isinstance(error, dict):
            error = error.get("message")
        return error if isinstance(error, str) else f"it was answered with status {self.status}"

    @property
    def code(self) -> str:
        """The code of Pushery's error; "" when it is none."""
        told = self.json
        error = told.get("error") if isinstance(told, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        return code if isinstance(code, str) else ""


@dataclass(frozen=True, slots=True)
class Target:
    """A server. `base` is http://host:port or https://host:port, perhaps with a path, without a slash at its end."""

    base: str
    insecure: bool = False
    timeout_s: float = field(default=TIMEOUT_S)

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.base.startswith("https:")

    @property
    def host(self) -> str:
        """The host's name or address, without brackets."""
        return urlsplit(self.base).hostname or ""

    @property
    def port(self) -> int:
        """The port that is connected to."""
        return urlsplit(self.base).port or (443 if self.secure else 80)

    @property
    def authority(self) -> str:
        """host:port, as the Host header has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def prefix(self) -> str:
        """The path before every route; mostly none."""
        return urlsplit(self.base).path

    @property
    def websocket(self) -> str:
        """`base` with ws: or wss:."""
        return f"ws{self.base.removeprefix('http')}"

    def tls(self) -> ssl.SSLContext | None:
        """How to speak TLS with it; None when it speaks none."""
        if not self.secure:
            return None
        context = ssl.create_default_context()
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def connection(self) -> http.client.HTTPConnection:
        """A connection that is not open yet."""
        context = self.tls()
        if context is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout_s, context=context)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own. Raises Unreachable."""
        connection = self.connection()
        try:
            connection.request(method, f"{self.prefix}{path}", body, dict(headers or {}))
            reply = connection.getresponse()
            named = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, named, reply.read(_LARGEST_ANSWER))
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"no answer from {self.base}: {why(error)}") from None
        finally:
            connection.close()


def why(error: Exception) -> str:
    """What has kept an answer from coming, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({(error.reason or str(error)).lower().replace('_', ' ')})"
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, socket.gaierror):
        return f"the name is not known ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused, so no server runs there"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or type(error).__name__).lower()
    return f"what came is not HTTP ({type(error).__name__})"


def find_target(url: str, config: Path, *, insecure: bool, backend: bool) -> Target:
    """The server at `url`, or where the configured one listens on this machine: for backends, or for clients."""
    if url:
        try:
            parts = urlsplit(url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if not fits or not url.isascii():
            fail(f"--url takes http://host:port or https://host:port, not {url!r}", code=MISUSED)
        return Target(url.rstrip("/"), insecure)
    settings = load_or_fail(config, {}) if config.exists() else Settings()
    target = local_target(settings, insecure=insecure, backend=backend)
    if target is None:
        fail("the configuration lets the server take any port: name the server with --url", code=MISUSED)
    return target


def local_target(settings: Settings, *, insecure: bool, backend: bool) -> Target | None:
    """Where a server with these settings listens on this machine; None when it may take any port."""
    address = (settings.admin_address if backend else None) or settings.address
    if address.port == 0:
        return None
    host = address.host
    if host in ("", "0.0.0.0", "::"):  # noqa: S104  # where it listens on all, we ask this machine
        host = "localhost"
    scheme = "https" if settings.tls_certificate else "http"
    return Target(f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port}", insecure)


def basic(auth: str) -> dict[str, str]:
    """The header for "account:password"."""
    return {"Authorization": "Basic " + base64.b64encode(auth.encode("utf-8", "surrogateescape")).decode()}


def find_auth(auth: str, config: Path) -> str:
    """`auth` as it was given, or the configured super admin's; "" when there is neither."""
    if auth:
        if ":" not in auth:
            fail("--auth takes account:password", code=MISUSED)
        return auth
    if not config.exists():
        return ""
    settings = load_or_fail(config, {})
    return f"{settings.auth_account}:{settings.auth_password}"
