"""`pushery push` and `pushery listen`: a developer's first two tools, against a server that runs."""

import base64
import contextlib
import json
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode, urlsplit

import typer
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail, load_or_fail
from pushery.config import Settings

_TIMEOUT_S = 10.0

AppKey = Annotated[str, typer.Argument(help="The key of the app.")]
Url = Annotated[str, typer.Option(help="The server, such as https://push.example.com; else the config's address.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Accept any TLS certificate.")]


def push(
    app_key: AppKey,
    content: Annotated[str, typer.Argument(help="The message; '-' reads it from standard input.")],
    tag: Annotated[str, typer.Option(help="An RE2 pattern: only clients whose tag it matches receive.")] = "",
    url: Url = "",
    auth: Annotated[str, typer.Option(help="account:password; else the super admin of the config.")] = "",
    insecure: Insecure = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Push a message to all clients of an app, or to those whose tag a pattern matches."""
    base = _base_url(url, config, backend=True)
    text = _utf8("the message", _read_stdin() if content == "-" else content)
    fields = {"content": text, "user_tag": _utf8("the pattern", tag)}
    auth = _utf8("--auth", auth) or _super_admin(config)
    if ":" not in auth:
        fail("--auth takes account:password", code=MISUSED)
    request = urllib.request.Request(  # noqa: S310  # the scheme is checked by _base_url
        f"{base}/api/push/{quote(app_key, safe='')}",
        data=urlencode(fields).encode(),
        headers={"Authorization": "Basic " + base64.b64encode(auth.encode()).decode()},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=_tls(insecure)) as reply:  # noqa: S310
            total = json.load(reply)["total"]
    except urllib.error.HTTPError as error:
        fail(_reason(error))
    except (OSError, ValueError, KeyError) as error:
        fail(f"no answer from {request.full_url}: {getattr(error, 'reason', error)}")
    typer.echo(f"sent to {total} client{'' if total == '1' else 's'}")


def listen(
    app_key: AppKey,
    user_tag: Annotated[str, typer.Argument(help="The tag to connect with.")],
    url: Url = "",
    count: Annotated[int, typer.Option(min=0, help="End after so many messages; 0 goes on until Ctrl-C.")] = 0,
    insecure: Insecure = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Connect as a client and print each message as it comes, one a line."""
    base = _base_url(url, config, backend=False)
    tag = quote(_utf8("the tag", user_tag), safe="")
    address = f"ws{base.removeprefix('http')}/ws/{quote(app_key, safe='')}/{tag}"
    context = _tls(insecure) if address.startswith("wss:") else None
    received = 0
    try:
        with connect(address, ssl=context, open_timeout=_TIMEOUT_S, max_size=None) as socket:
            typer.echo(f"connected as {user_tag}", err=True)
            for message in socket:
                typer.echo(message)
                sys.stdout.flush()
                received += 1
                if received == count:
                    return
            fail("the server closed the connection")
    except InvalidStatus as error:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            fail(json.loads(error.response.body or b"")["error"]["message"])
        fail(f"refused with status {error.response.status_code}")
    except ConnectionClosed as error:
        close = error.rcvd
        fail(f"closed by the server: {close.code} {close.reason}".rstrip() if close else "the connection was lost")
    except (OSError, InvalidHandshake) as error:
        fail(f"cannot connect to {address}: {error}")


def _base_url(url: str, config: Path, *, backend: bool) -> str:
    """`url` without a trailing slash, or else where the configured server listens on this machine, for backends or for
    clients."""
    if url:
        try:
            parts = urlsplit(url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if not fits:
            fail(f"--url takes http://host:port or https://host:port, not {url!r}", code=MISUSED)
        return url.rstrip("/")
    settings = load_or_fail(config, {}) if config.exists() else Settings()
    address = (settings.admin_address if backend else None) or settings.address
    host, port = address.host, address.port
    if port == 0:
        fail("the configuration lets the server take any port: name the server with --url", code=MISUSED)
    if host in ("", "0.0.0.0", "::"):  # noqa: S104  # where it listens on all, we ask this machine
        host = "localhost"
    scheme = "https" if settings.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _super_admin(config: Path) -> str:
    if not config.exists():
        fail(f"{config} is not there: give --auth account:password, or a --config", code=MISUSED)
    settings = load_or_fail(config, {})
    return f"{settings.auth_account}:{settings.auth_password}"


def _read_stdin() -> str:
    return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")


def _utf8(what: str, text: str) -> str:
    """`text`, when it is one: bytes that were not UTF-8, Python hands on as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        fail(f"{what} is not UTF-8", code=MISUSED)
    return text


def _tls(insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: urllib.error.HTTPError) -> str:
    """What the server says is wrong."""
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"refused with status {error.code}"
