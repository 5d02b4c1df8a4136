"""What a run has shown, as values, and as lines for people. Says honestly what held it back."""

from collections.abc import Mapping
from typing import Final

import msgspec

from pushery.cli.load.run import Plan, Progress
from pushery.cli.load.tally import Faults, percentiles

_SATURATED: Final = 0.9
"""Of a core, from which on the client has hardly had time for more."""

_LATE_MS: Final = 50.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All figures. Latencies are in milliseconds, from the moment before the push is sent to its arrival."""

    dialect: str
    url: str
    clients: int
    connected: int
    connects_per_s: float
    size: int
    pushes: int
    pushes_per_s: float
    wanted_per_s: float
    pushes_failed: int
    deliveries: int
    deliveries_per_s: float
    latency_ms: Mapping[str, float]
    faults: Faults
    sockets_closed: int
    client_cpu_percent: float
    seconds: float
    interrupted: bool
    problem: str
    limits: tuple[str, ...]
    """What held the run back, one sentence each."""

    @property
    def good(self) -> bool:
        """Whether everybody was in and everything arrived once, in order."""
        whole = self.connected == self.clients or self.interrupted
        return whole and not (self.faults.any or self.pushes_failed or self.sockets_closed)


def make_report(plan: Plan, progress: Progress, dialect: str) -> Report:
    """The figures of a run that is over."""
    tally, seconds = progress.tally, progress.push_s
    pushes = progress.published
    cpu = progress.busy_s / seconds if seconds else 0.0
    rate = pushes / seconds if seconds else 0.0
    return Report(
        dialect=dialect,
        url=plan.clients.base,
        clients=plan.count,
        connected=progress.connected,
        connects_per_s=progress.connected / progress.connect_s if progress.connect_s else 0.0,
        size=plan.size,
        pushes=pushes,
        pushes_per_s=rate,
        wanted_per_s=plan.rate,
        pushes_failed=len(progress.failed),
        deliveries=tally.deliveries,
        deliveries_per_s=tally.deliveries / seconds if seconds else 0.0,
        latency_ms=percentiles(tally.latencies_us),
        faults=Faults(progress.lost, tally.duplicate, tally.out_of_order),
        sockets_closed=progress.closed,
        client_cpu_percent=cpu * 100,
        seconds=seconds,
        interrupted=progress.interrupted,
        problem=progress.first_problem,
        limits=tuple(_limits(plan, progress, cpu, rate)),
    )


def _limits(plan: Plan, progress: Progress, cpu: float, rate: float) -> list[str]:
    found = []
    saturated = cpu >= _SATURATED
    if saturated:
        found.append(
            f"This client used {cpu:.0%} of a core: the figures are the client's, not the server's. "
            "Take fewer clients or a lower rate, or run it on several machines."
        )
    if progress.late_us > _LATE_MS * 1000 and progress.published:
        found.append(
            f"Pushes went out up to {progress.late_us / 1000:,.0f} ms later than planned: "
            "each waits for the answer to an earlier one."
        )
    if rate < 0.95 * plan.rate and not progress.interrupted and not progress.failed and progress.published:
        whose = "this client" if saturated else "the server or the network between"
        found.append(f"Only {rate:,.0f} of {plan.rate:,.0f} pushes/s were reached; {whose} is the limit.")
    return found


def _latencies(latency_ms: Mapping[str, float]) -> str:
    if not latency_ms:
        return "-"
    return "  ".join(f"{name} {value:,.2f}" for name, value in latency_ms.items()) + " ms"


def lines(report: Report) -> list[tuple[str, str]]:
    """Names and figures, for people."""
    faults = report.faults
    shown = [
        ("clients", f"{report.connected:,} of {report.clients:,} connected, {report.connects_per_s:,.0f} a second"),
        ("pushes", f"{report.pushes:,} of {report.size:,} bytes, {report.pushes_per_s:,.1f} a second"),
        ("deliveries", f"{report.deliveries:,}, {report.deliveries_per_s:,.0f} a second"),
        ("latency", _latencies(report.latency_ms)),
        ("faults", f"{faults.lost:,} lost, {faults.duplicate:,} duplicate, {faults.out_of_order:,} out of order"),
        ("client CPU", f"{report.client_cpu_percent:.0f} % of a core"),
    ]
    if report.pushes_failed:
        shown.append(("pushes failed", f"{report.pushes_failed:,}"))
    if report.sockets_closed:
        shown.append(("sockets closed", f"{report.sockets_closed:,} during the run"))
    return shown
