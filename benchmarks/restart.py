"""`python -m benchmarks.restart`: a new server takes over from an old one, while clients listen and backends publish.

Prints what became of everybody. The server runs as it would in earnest: a process of its own, told to stop by SIGTERM.
Exit code 0 when nothing was refused, failed, cut, doubled or mixed up, and no connected client missed anything.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import uvloop

from benchmarks.returning import Account, App, Backend, Crowd, account

REUSE_PORT: Final = "reuse_port"
ACTIVATION: Final = "activation"
_ADMIN: Final = "admin"

_ACTIVATE: Final = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="pushery.socket")
os.execv(sys.executable, [sys.executable, "-m", "pushery", *sys.argv[2:]])
"""
"""What systemd does, between fork and exec."""


class Server:
    """A `pushery start` that listens. Leaving it kills what is left of it."""

    def __init__(self, directory: Path, name: str, inherited: socket.socket | None, **settings: object) -> None:
        config = directory / f"{name}.json"
        said = {
            "auth_account": _ADMIN,
            "auth_password": _ADMIN,
            "environment": "PRODUCTION",
            "listen": "127.0.0.1:0",
            "sqldir": str(directory / "appdata.sqlite"),
            "logdir": str(directory / f"{name}.log"),
            "reuse_port": inherited is None,
            **settings,
        }
        config.write_text(json.dumps(said))
        config.chmod(0o600)
        start = ["start", "--config", str(config)]
        command = [sys.executable, "-m", "pushery", *start]
        passed: tuple[int, ...] = ()
        if inherited is not None:
            passed = (inherited.fileno(),)
            command = [sys.executable, "-c", _ACTIVATE, str(passed[0]), *start]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=passed, cwd=directory)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"listens on https?://\S+:(\d+)", line):
                self.port = int(found[1])
                return
        raise RuntimeError(f"the server did not start; its log is in {directory}")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass(frozen=True)
class Plan:
    """What a run is to be like."""

    kind: str = REUSE_PORT
    clients: int = 5000
    drain_rate: int = 2000
    shutdown_timeout: float = 10.0
    backends: int = 4
    """Half of them publish on fresh connections, half on kept ones."""
    every_s: float = 0.4
    """How often each publishes."""
    before_s: float = 1.0
    after_s: float = 1.0
    number: int = signal.SIGTERM


async def take_over(plan: Plan, directory: Path) -> Account:
    """Have an old server, a new one beside it, and the old one end."""
    settings = {"drain_rate": plan.drain_rate, "shutdown_timeout": plan.shutdown_timeout}
    with ExitStack() as stack:
        inherited = None
        if plan.kind == ACTIVATION:
            inherited = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        old = stack.enter_context(Server(directory, "old", inherited, **settings))
        app = registered(old.port)
        crowd = Crowd(old.port, app)
        await crowd.gather(plan.clients)
        backends = [
            Backend(old.port, app, number, plan.backends, number % 2 == 0, plan.every_s)
            for number in range(plan.backends)
        ]
        running = [asyncio.ensure_future(backend.run()) for backend in backends]
        await asyncio.sleep(plan.before_s)
        new = stack.enter_context(await asyncio.to_thread(Server, directory, "new", inherited, **settings))
        await asyncio.sleep(plan.before_s)
        old.signal(plan.number)
        await asyncio.to_thread(old.process.wait)
        await crowd.subscribed()
        await asyncio.sleep(plan.after_s)
        for backend in backends:
            backend.stopping = True
        await asyncio.gather(*running)
        await asyncio.sleep(plan.after_s)
        sum_total = account(crowd, backends)
        crowd.leave()
        new.signal(signal.SIGTERM)
        await asyncio.to_thread(new.process.wait)  # meanwhile the clients' sockets are really closed
    return sum_total


def registered(port: int) -> App:
    """An app, made for this run."""
    fields = urlencode({"app_name": "restart", "auth_account": "a", "auth_password": "b"}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/register", data=fields)
    request.add_header("Authorization", "Basic " + b64encode(f"{_ADMIN}:{_ADMIN}".encode()).decode())
    with urllib.request.urlopen(request, timeout=20) as reply:
        said = json.load(reply)
    return App(said["app_id"], said["app_key"], said["app_secret"])


def described(sum_total: Account) -> str:
    """The sum in lines."""
    gaps, returns = sum_total.gaps, sum_total.returns
    lines = [
        f"clients {sum_total.clients}, came back {len(returns)}, close codes {sum_total.codes}",
        f"published {sum_total.published}, failed {len(sum_total.failures)}, tried again on a kept connection that had "
        f"been closed {sum_total.retried}, slowest {sum_total.slowest_publish:.3f} s",
        f"connections refused {sum_total.refused}, handshakes refused {sum_total.statuses}, "
        f"sockets cut {sum_total.cut}",
        f"missed while connected {sum_total.missed}, twice {sum_total.twice}, out of order {sum_total.out_of_order}",
    ]
    if gaps:
        half, most = gaps[len(gaps) // 2], gaps[int(len(gaps) * 0.99)]
        lines.append(
            f"gap: median {half:.3f} s, 99 % {most:.3f} s, longest {gaps[-1]:.3f} s; events missed in it: "
            f"{sum_total.lost_in_gaps / len(gaps):.2f} on average"
        )
        lines.append(f"back after the first close: first {returns[0]:.2f} s, last {returns[-1]:.2f} s")
        per = [0] * (int(returns[-1] / 0.25) + 1)
        for moment in returns:
            per[int(moment / 0.25)] += 1
        lines.append("came back in each quarter of a second: " + " ".join(map(str, per)))
    return "\n".join([*lines, *sum_total.failures[:5]])


def main() -> int:
    """0 when it was flawless."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.restart", description=__doc__)
    parser.add_argument("kind", choices=[REUSE_PORT, ACTIVATION])
    parser.add_argument("--clients", type=int, default=Plan.clients)
    parser.add_argument("--drain-rate", type=int, default=Plan.drain_rate)
    options = parser.parse_args()
    plan = Plan(options.kind, options.clients, options.drain_rate)
    with tempfile.TemporaryDirectory() as directory:
        sum_total = uvloop.run(take_over(plan, Path(directory)))
    print(f"{os.uname().sysname} {os.uname().release}, {plan}")
    print(described(sum_total))
    return 0 if sum_total.is_flawless else 1


if __name__ == "__main__":
    sys.exit(main())
