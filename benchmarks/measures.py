"""The measurements. Each takes a running server and gives the values of its rows; the clock of the CPU stops only
after the last message has arrived, and before the sockets are closed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.errors import BenchError
from benchmarks.load import Published, Received, Subscribers, publish
from benchmarks.results import Values
from benchmarks.servers import Server

SUBSCRIBERS = 1_000
PUSHES_PER_S = 50
PUBLISHERS = 8
PUBLISH_CONNECTIONS = 32
SETTLE_S = 0.7
"""A pause for timers and the allocator before memory is read."""


@dataclass(frozen=True)
class Plan:
    """How long, how many, and on which cores."""

    paced_s: float
    flat_s: float
    publish_s: float
    idle_sockets: int
    load_cores: set[int] | None
    note: Callable[[str, str], None]
    """Takes remarks for under the table: what about, and what."""


def paced(server: Server, plan: Plan) -> Values:
    """1,000 sockets, one push every 20 ms."""
    count = int(PUSHES_PER_S * plan.paced_s)
    until = ["-e", str(count), "-i", "3", "-d", f"{plan.paced_s + 15:g}"]
    with Subscribers([*server.everyone(), *until], count=SUBSCRIBERS, cores=plan.load_cores) as subscribers:
        before = server.process.cpu_s()
        published = server.paced(PUSHES_PER_S, count, plan.load_cores)
        received = subscribers.received()
        spent = server.process.cpu_s() - before
    check("paced", server, plan, received, published.ok if published else count, published)
    return {
        "paced.cpu_us": spent * 1e6 / received.msgs,
        "paced.p50_ms": received.lat_us.p50 / 1e3,
        "paced.p99_ms": received.lat_us.p99 / 1e3,
        "paced.p999_ms": received.lat_us.p999 / 1e3,
    }


def flat(server: Server, plan: Plan) -> Values:
    """1,000 sockets, 8 publishers who push again as soon as they are answered."""
    until = ["-L", "-i", "1", "-d", f"{plan.flat_s + 30:g}"]
    with Subscribers([*server.everyone(), *until], count=SUBSCRIBERS, cores=plan.load_cores) as subscribers:
        before = server.process.cpu_s()
        options = [*server.push(), "-c", str(PUBLISHERS)]
        published = publish(options, seconds=plan.flat_s, cores=plan.load_cores)
        received = subscribers.received()
        spent = server.process.cpu_s() - before
    check("flat out", server, plan, received, published.ok, published)
    return {"flat.per_s": received.msgs_per_s, "flat.cpu_us": spent * 1e6 / received.msgs}


def idle(server: Server, plan: Plan) -> Values:
    """10,000 sockets with a tag each, that say and hear nothing."""
    return crowd(server, plan, server.one_each())


def crowd(server: Server, plan: Plan, options: list[str]) -> Values:
    """10,000 sockets that connect as `options` say, and then rest."""
    options = [*options, "-s", "4", "-d", "60"]
    time.sleep(SETTLE_S)
    memory, cpu = server.process.resident_kb(), server.process.cpu_s()
    with Subscribers(options, count=plan.idle_sockets, cores=plan.load_cores):
        time.sleep(SETTLE_S)
        memory, cpu = server.process.resident_kb() - memory, server.process.cpu_s() - cpu
    return {"idle.kb": memory / plan.idle_sockets, "idle.accept_us": cpu * 1e6 / plan.idle_sockets}


def publishing(server: Server, plan: Plan) -> Values:
    """One subscriber, 32 publishers: what a request costs when there is next to nobody to deliver to."""
    return requests(server, plan, "publish", server.push())


def requests(server: Server, plan: Plan, what: str, options: list[str], messages: int = 1) -> Values:
    """32 publishers with one request in flight each, a subscriber for the `messages` that each request brings."""
    until = ["-L", "-i", "1", "-d", f"{plan.publish_s + 30:g}"]
    with Subscribers([*server.everyone(), *until], count=1, cores=plan.load_cores) as subscribers:
        before = server.process.cpu_s()
        published = publish([*options, "-c", str(PUBLISH_CONNECTIONS)], seconds=plan.publish_s, cores=plan.load_cores)
        received = subscribers.received()
        spent = server.process.cpu_s() - before
    check(what, server, plan, received, published.ok * messages, published)
    return {
        f"{what}.per_s": published.requests_per_s * messages,
        f"{what}.per_cpu_s": published.ok * messages / spent,
    }


def check(what: str, server: Server, plan: Plan, received: Received, pushes: int, published: Published | None) -> None:
    """A fast server that loses messages is not fast: say what went missing."""
    if not received.msgs:
        why = (published.error if published else "") or received.error or "no reason given"
        raise BenchError(f"nothing was delivered: {why}")
    missing = pushes * received.n - received.msgs
    if received.closed or missing or (published and published.failed):
        failed = f", {published.failed} pushes failed ({published.error})" if published and published.failed else ""
        plan.note(
            f"{what}, {server.name}",
            f"{missing:,} of {pushes * received.n:,} messages not delivered, "
            f"{received.closed} sockets closed {received.error}{failed}".rstrip(),
        )
