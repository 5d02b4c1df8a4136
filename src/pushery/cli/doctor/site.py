"""Checks of a server that runs, through whatever stands between it and its clients: TLS, clock, proxy, WebSocket.

Nothing is sent that changes anything. Invariant: with a certificate that is not trusted, no password goes out unless
`--insecure` says so.
"""

import http.client
import json
import re
import secrets
import socket
import ssl
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import Any, Final

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

from pushery.cli.doctor.certificates import expiry, read_der
from pushery.cli.doctor.finding import Finding, Findings, fail, ok, skip, warn
from pushery.cli.target import Target, Unreachable, basic, why
from pushery.config import Settings
from pushery.core.apps import App

_PAGE: Final = "docs/how-to/run-behind-a-proxy.md"
_LIE: Final = "192.0.2.66"
"""An address that nobody has (RFC 5737), which a client that lies would claim."""

_SKEW_S: Final = 5.0
_LARGEST_BODY: Final = 8 * 1024 * 1024
_FEW_FILES: Final = 10_000
_FULL: Final = 0.9
_STREAM_S: Final = 5.0
"""How long a reply in pieces may take to show its first one: held back, it would take until its end."""


def alive(target: Target) -> Findings:
    """Whether it answers at all."""
    name = "GET /healthz"
    try:
        answer = target.ask("GET", "/healthz")
    except Unreachable as error:
        mend = "start it (pushery start), open the firewall, or mend the proxy's upstream"
        if "certificate" in str(error):
            mend = "see the check 'TLS'; with --insecure, the rest is looked at all the same"
        yield fail(name, str(error), mend)
        return
    hidden = answer.status in (403, 404)
    if hidden or (answer.status == 200 and answer.json == {"status": "ok"}):
        more = "; a proxy hides /healthz, as it may" if hidden else ""
        yield ok(name, f"{target.base} answers{_through(answer.headers)}{more}")
    else:
        mend = f"see to the proxy's upstream: {_PAGE}" if answer.status >= 500 else "is this the right --url?"
        yield fail(name, f"{target.base} answers with status {answer.status}, and not as Pushery", mend)


def _through(headers: Any) -> str:
    """Which proxy has put its name into a reply; Pushery itself puts in none."""
    named = headers.get("via") or headers.get("server")
    return f", through {named}" if named else ""


def tls(target: Target, now_s: float) -> Findings:
    """The certificate that is shown: dates, name, chain."""
    name = "TLS"
    if not target.secure:
        near = skip(name, "this address is plain http")
        mend = "docs/how-to/serve-tls.md, or end TLS at a proxy"
        yield near if _is_near(target.host) else warn(name, f"{target.base} is not encrypted", mend)
        return
    try:
        shown = read_der(_certificate(target))
    except (OSError, ValueError) as error:
        yield fail(name, f"no certificate from {target.host}:{target.port}: {why(error)}", "does it speak TLS there?")
        return
    yield expiry(f"{name} expiry", shown, now_s, "renew it (certbot renew), and reload whoever ends TLS")
    context = ssl.create_default_context()
    try:
        with socket.create_connection((target.host, target.port), target.timeout_s) as plain:
            context.wrap_socket(plain, server_hostname=target.host).close()
    except ssl.SSLCertVerificationError as error:
        mend = "serve the whole chain (fullchain.pem), of a certificate for that name from a known authority"
        yield fail(f"{name} chain and name", f"browsers refuse it: {error.verify_message}", mend)
    except OSError as error:
        yield fail(f"{name} chain and name", why(error), "see to whoever ends TLS")
    else:
        yield ok(f"{name} chain and name", f"it is trusted here, and is that of {target.host}")


def _certificate(target: Target) -> bytes:
    """What is shown, whether it is trusted or not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((target.host, target.port), target.timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=target.host) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True) or b""


def _is_near(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def clock(target: Target, settings: Settings | None, wall_s: float) -> Findings:
    """How far this machine's clock is from the server's, by the Date that it sends."""
    name = "clock"
    try:
        sent = parsedate_to_datetime(target.ask("GET", "/healthz").headers["date"]).timestamp()
    except Unreachable as error:
        yield skip(name, str(error))
        return
    except (KeyError, ValueError):
        yield skip(
            name, "neither server nor proxy sends a Date; 'signature' tells whether the clocks agree well enough"
        )
        return
    skew, most = abs(wall_s - sent), settings.signature_max_age if settings else 600.0
    shown = f"this machine and {target.host} are {skew:.0f} s apart"
    mend = "let both follow network time: timedatectl set-ntp true"
    if skew >= most:
        yield fail(name, f"{shown}, more than signature_max_age ({most:.0f} s): signed requests are refused", mend)
        return
    if skew > _SKEW_S:
        yield warn(name, f"{shown}; signed requests pass up to {most:.0f} s", mend)
    else:
        yield ok(name, f"{shown} at most, by the second that Date tells")


def open_files(target: Target) -> Findings:
    """How many files the running server may have open, which is what counts, whatever this shell may."""
    name = "open files of the server"
    try:
        text = target.ask("GET", "/metrics").body.decode("utf-8", "replace")
    except Unreachable as error:
        yield skip(name, str(error))
        return
    told = {key: float(value) for key, value in re.findall(r"^process_(open|max)_fds (\S+)$", text, re.MULTILINE)}
    if len(told) < 2:
        yield skip(name, "its metrics are not to be had there, as it should be from outside")
        return
    shown = f"{told['open']:,.0f} of {told['max']:,.0f}"
    mend = "LimitNOFILE=1048576 in the systemd unit, or ulimit -Hn before the start; then restart"
    if told["open"] > _FULL * told["max"]:
        yield fail(name, f"{shown}: newcomers are about to be refused", mend)
        return
    if told["max"] < _FEW_FILES:
        yield warn(name, f"{shown}: each client is one", mend)
    else:
        yield ok(name, shown)


def upgrade(target: Target, app: App, idle_s: float) -> Findings:
    """Whether a WebSocket opens, and stays open while nothing is said."""
    name = "WebSocket"
    mend = f"pass Upgrade and Connection on with HTTP/1.1: {_PAGE}"
    address = f"{target.websocket}/app/{app.key}?protocol=7&client=pushery-doctor&version=1"
    try:
        with connect(address, ssl=target.tls(), open_timeout=target.timeout_s, proxy=None) as opened:
            first = json.loads(opened.recv(target.timeout_s))
            yield ok(name, f"the handshake passes, and {first.get('event')} comes")
            yield _rest(opened, idle_s)
    except InvalidStatus as error:
        body = (error.response.body or b"")[:4096]
        if b"bad_handshake" in body:
            yield fail(name, "the server gets no Upgrade: the proxy drops it", mend)
        else:
            yield fail(name, f"the handshake is answered with status {error.response.status_code}", mend)
    except ConnectionClosed as error:
        yield fail(name, f"it is closed at once: {error}", "see the server's log")
    except (OSError, InvalidHandshake, ValueError) as error:
        yield fail(name, f"it does not open: {_line(error)}", mend)


def _rest(opened: Any, idle_s: float) -> Finding:
    name = "idle WebSocket"
    if not idle_s:
        return skip(name, "not tried: proxies must keep a silent tunnel for more than 60 s", "pushery doctor --idle 70")
    end = time.monotonic() + idle_s
    try:
        while time.monotonic() < end:
            opened.recv(max(0.0, end - time.monotonic()))
    except TimeoutError:
        return ok(name, f"a silent socket is still open after {idle_s:.0f} s")
    except ConnectionClosed as error:
        left = idle_s - (end - time.monotonic())
        mend = f"raise the proxy's timeout (proxy_read_timeout 1h), or lower ping_idle: {_PAGE}"
        return fail(name, f"a silent socket is closed after {left:.0f} s: {error}", mend)
    return ok(name, f"a socket is still open after {idle_s:.0f} s")


def forwarded(target: Target, auth: str, settings: Settings | None) -> Findings:
    """Whether the server learns who is asking, and from nobody but a proxy that it trusts."""
    name = "address of clients"
    headers = {**basic(auth), "X-Forwarded-For": _LIE, "Forwarded": f"for={_LIE}"}
    try:
        answer = target.ask("GET", "/api/admin/whoami", headers=headers)
    except Unreachable as error:
        yield skip(name, str(error))
        return
    told = answer.json
    if answer.status in (401, 429):
        yield fail(name, f"the server does not take this password: {answer.reason}", "give the right one with --auth")
        return
    if answer.status != 200 or not isinstance(told, dict) or "address" not in told:
        mend = "to have it looked at, let the proxy pass /api/admin/whoami on, or give --url the inner address"
        yield skip(name, f"/api/admin/whoami is not to be had there (status {answer.status})", mend)
        return
    yield from _seen(name, told, target, settings)


def _seen(name: str, told: dict[str, Any], target: Target, settings: Settings | None) -> Findings:
    yield _address(name, told, target, settings)
    if not target.secure:
        return
    name = "TLS as the server sees it"
    if told.get("secure"):
        yield ok(name, "it knows that you came by https")
        return
    mend = f"set X-Forwarded-Proto at the proxy, and name it in trusted_proxies: {_PAGE}"
    yield fail(name, "you came by https, but the server takes it for plain http", mend)


def _address(name: str, told: dict[str, Any], target: Target, settings: Settings | None) -> Finding:
    address, sent = str(told["address"]), str(told.get("x_forwarded_for", "") or told.get("forwarded", ""))
    proxied = sent not in ("", _LIE, f"for={_LIE}")
    if _LIE in address:
        if not proxied and settings is not None and _is_direct(target, settings):
            return ok(
                name, "the server believes this machine, as a proxy that trusted_proxies names; ask with --url too"
            )
        mend = f"overwrite X-Forwarded-For at the outermost proxy, and trust nobody but proxies: {_PAGE}"
        return fail(name, "a client may claim any address, and the server believes it", mend)
    if proxied and address.endswith(":0"):
        return ok(name, f"the proxy tells the client's address, and the server believes it: {address}")
    if proxied:
        mend = f'"trusted_proxies": ["{_host(address)}"]'
        return fail(name, f"the proxy tells {sent!r}, but the server does not believe it and sees {address}", mend)
    if settings is not None and settings.trusted_proxies and not _is_near(target.host):
        return warn(name, f"nothing was forwarded: the server sees {address}", f"set X-Forwarded-For: {_PAGE}")
    return ok(name, f"no proxy tells of itself; the server sees {address}, and believes no header of ours")


def _is_direct(target: Target, settings: Settings) -> bool:
    """Whether no proxy stands between: it is the configured server's own address on this machine."""
    return _is_near(target.host) and target.port == settings.address.port


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def streaming(target: Target, app: App) -> Findings:
    """Whether a fallback's reply passes piece by piece."""
    name = "response buffering"
    path = f"{target.prefix}/app/{app.key}/900/doctor{secrets.token_hex(4)}/xhr_streaming?protocol=7"
    mend = f"proxy_buffering off for /app/: {_PAGE}"
    patient = Target(target.base, target.insecure, _STREAM_S)
    began = time.monotonic()
    with closing(patient.connection()) as connection:
        try:
            connection.request("POST", path, b"")
            reply = connection.getresponse()
            if reply.status != 200:
                yield fail(name, f"the fallback is answered with status {reply.status}", f"pass POST /app/ on: {_PAGE}")
                return
            while not reply.readline().startswith((b"a[", b"c[", b"o")):
                if reply.isclosed():
                    yield fail(name, "the reply ended before anything was said in it", mend)
                    return
        except TimeoutError:
            yield fail(name, f"nothing of the reply came within {_STREAM_S:.0f} s: it is held back", mend)
        except (OSError, http.client.HTTPException) as error:
            yield fail(name, f"the fallback does not pass: {why(error)}", mend)
        else:
            yield ok(name, f"a reply passes piece by piece, the first after {1000 * (time.monotonic() - began):.0f} ms")


def largest_body(target: Target, settings: Settings | None) -> Findings:
    """Whether as large a body passes as the server takes."""
    name = "largest body"
    most = settings.max_body_bytes if settings else 1024 * 1024
    size = min(most, _LARGEST_BODY)
    try:
        answer = target.ask("POST", "/api/push/pushery-doctor", b"x" * size)
    except Unreachable as error:
        answer = None
        problem = str(error)
    if answer is not None and answer.status != 413:
        yield ok(name, f"{size:,} bytes pass{'' if size == most else f' (of {most:,}; larger ones were not tried)'}")
        return
    if answer is not None and answer.code:
        yield fail(name, f"the server takes less than {size:,} bytes", f"max_body_bytes {size} on the server, restart")
        return
    found = f"{size:,} bytes do not pass: {problem if answer is None else 'a proxy says 413'}"
    yield fail(name, found, f"client_max_body_size {-(-size // 2**20)}m in nginx: {_PAGE}")


def _line(error: Exception) -> str:
    return re.sub(r"\s+", " ", why(error) if isinstance(error, OSError) else str(error))[:200]
