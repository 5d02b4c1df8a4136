"""Checks of this machine: open files, the kernel's settings, the port.

The kernel is read through a function, so that a test can say what it answers.
"""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pushery.cli.doctor.finding import Findings, fail, ok, skip, warn
from pushery.cli.target import Unreachable, local_target
from pushery.config import Address, Settings

_FEW: Final = 10_000
"""Open files below which a server is likely to run out: each client is one."""

_RESERVE: Final = 320
"""Files that are no client's: 64 of the process and 256 for backends, as `server.admission` keeps them."""

ReadKernel = Callable[[str], str | None]
"""The text of a file below /proc/sys, None when there is none."""


def read_kernel(path: str) -> str | None:
    """What this machine's kernel says."""
    try:
        return Path("/proc/sys", path).read_text()
    except OSError:
        return None


def descriptors(settings: Settings, soft: int, hard: int) -> Findings:
    """Whether there are files enough for the sockets that may be open. The server raises its own limit to `hard`."""
    name = "open files"
    wanted = settings.max_sockets + _RESERVE if settings.max_sockets else _FEW
    shown = f"the soft limit is {soft:,}, the hard limit {hard:,}"
    mend = f"ulimit -Hn {max(wanted, 1_048_576)} as root, or LimitNOFILE={max(wanted, 1_048_576)} in the systemd unit"
    if settings.max_sockets and hard < wanted:
        yield fail(name, f"{shown}, but max_sockets {settings.max_sockets:,} needs {wanted:,}", mend)
        return
    if hard < wanted:
        yield warn(name, f"{shown}: room for about {max(0, hard - _RESERVE):,} clients", mend)
        return
    yield ok(name, f"{shown}; the server raises its own to the hard one (as systemd starts it, LimitNOFILE counts)")


def kernel(settings: Settings, read: ReadKernel) -> Findings:
    """Whether the kernel lets as many connections wait as the settings want."""
    if _number(read("net/core/somaxconn")) is None:
        yield skip("kernel", "its settings cannot be read here (no Linux?)")
        return
    wanted = settings.backlog
    for key in ("net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog"):
        value = _number(read(key.replace(".", "/")))
        if value is None:
            continue
        if value < wanted:
            found = f"{key} is {value:,}, below the setting backlog {wanted:,}: a crowd that comes at once is held up"
            yield warn("kernel", found, f"sysctl -w {key}={wanted}, and the same line in /etc/sysctl.d/pushery.conf")
        else:
            yield ok("kernel", f"{key} is {value:,}, enough for backlog {wanted:,}")
    most = _number(read("fs/nr_open"))
    if most is not None and settings.max_sockets and most < settings.max_sockets + _RESERVE:
        found = f"fs.nr_open is {most:,}, below what max_sockets needs"
        yield fail("kernel", found, f"sysctl -w fs.nr_open={settings.max_sockets + _RESERVE}")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdigit() else None


def port(settings: Settings) -> Findings:
    """Whether the configured addresses are free, or who answers there."""
    yield from _port(settings, settings.address, settings.listen, backend=False)
    if settings.admin_address is not None:
        yield from _port(settings, settings.admin_address, settings.admin_listen, backend=True)


def _port(settings: Settings, address: Address, text: str, *, backend: bool) -> Findings:
    name = f"port {text}"
    target = local_target(settings, insecure=True, backend=backend)
    if target is None:
        yield ok(name, "the server takes any free port")
        return
    problem = _cannot_bind(address)
    if not problem:
        yield ok(name, "it is free; no server runs there")
        return
    if problem != errno.EADDRINUSE:
        mend = "take a port from 1024 up, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit"
        if problem != errno.EACCES:
            mend = "name an address of this machine in listen"
        yield fail(name, f"it cannot be listened on: {_said(problem)}", mend)
        return
    try:
        answer = target.ask("GET", "/healthz")
    except Unreachable as error:
        text = "accept nobody, or speak the PROXY protocol only" if settings.proxy_protocol else "not be Pushery"
        yield warn(name, f"something listens there and seems to {text}: {error}", "ss -ltnp shows which process it is")
        return
    if answer.status == 200 and answer.json == {"status": "ok"}:
        yield ok(name, "a Pushery server answers there")
        return
    yield fail(name, f"something else answers there (status {answer.status})", "stop it, or change listen")


def _cannot_bind(address: Address) -> int:
    """The number of the error with which listening there fails; 0 when it does not."""
    from pushery.app.system import listening_sockets  # takes long to import

    try:
        for bound in listening_sockets(address):
            bound.close()
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return 0


def _said(number: int) -> str:
    return os.strerror(number).lower()
