"""What the server says of itself in the end, held against what was done to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from soak.crowd import Crowd
from soak.figures import bucket_quantile, quantile
from soak.hooks import HookLog
from soak.process import errors_of
from soak.world import World

GC_METRIC: Final = "pushery_gc_pause_seconds"
GC_PAUSE_S: Final = 0.005
"""How long the collector may hold the server up, but for one time in a thousand."""

STARVED: Final = 0.05
"""From which share of the time spent waiting for a core on the server's times say nothing about the server."""

GROWTH: Final = 0.05
"""How much more memory it may hold after the load than after the warm-up, in a run of at least `JUDGED_S`."""

JUDGED_S: Final = 300


@dataclass
class Outcome:
    """What has come of a run."""

    failures: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    figures: list[tuple[str, str]] = field(default_factory=list)

    def row(self, name: str, value: str) -> None:
        """A figure for people."""
        self.figures.append((name, value))

    def latency(self, name: str, seconds: list[float]) -> None:
        """How long something took."""
        told = ", ".join(f"p{share:g} {quantile(seconds, share / 100) * 1000:.2f} ms" for share in (50, 99, 99.9))
        self.row(name, f"{told}, most {max(seconds, default=0) * 1000:.1f} ms, of {len(seconds):,}")

    def memory(self, before: float, after: float, seconds: float) -> None:
        """With everybody gone, after the warm-up and after the load, in MiB."""
        self.row("memory, everybody gone after the warm-up", f"{before:.1f} MiB")
        self.row("memory, everybody gone after the load", f"{after:.1f} MiB ({after / before - 1:+.1%})")
        if seconds >= JUDGED_S and after > before * (1 + GROWTH):
            self.failures.append(f"memory has grown from {before:.1f} to {after:.1f} MiB with everybody gone")

    def judge(self, world: World, crowd: Crowd, hooks: HookLog, values: Mapping[str, float], *, starved: float) -> None:
        """Look at the server's metrics, with everybody gone. `starved` is the share of time it waited for a core."""
        self._errors(world, values)
        self._left_over(world, crowd, values)
        self._collector(values, starved)
        self.row("messages received", f"{world.received:,}, {crowd.inflated:,} of them compressed")
        self.row("streams reopened", f"{crowd.reopened:,}")
        self.row("events told by webhook", f"{hooks.told.total():,}")
        for name, count in sorted(world.done.items()):
            self.row(name, f"{count:,}")

    def _errors(self, world: World, values: Mapping[str, float]) -> None:
        counted = errors_of(values)
        for kind in sorted({*counted, *world.explained}):
            least, most = world.explained[kind], world.explained[kind] + world.perhaps[kind]
            found = counted.get(kind, 0)
            if not least <= found <= most:
                self.failures.append(f"errors of kind {kind}: counted {found}, explained {least} to {most}")
        self.row("errors counted", f"{sum(counted.values()):,}")

    def _left_over(self, world: World, crowd: Crowd, values: Mapping[str, float]) -> None:
        slow, meant = values["pushery_slow_clients_total"], world.done["slow reader"]
        if not meant <= slow <= meant + crowd.sessions_left:  # whose session may have filled up until it expired
            told = f"{slow:.0f} slow clients, {meant} meant, and {crowd.sessions_left} sessions left alone"
            self.failures.append(told)
        for name in ("pushery_channels", "pushery_users"):
            if values[name]:
                self.failures.append(f"{name} is {values[name]:.0f} with everybody gone")
        for name in ("failed_attempts", "dead", "dropped"):
            if count := values[f"pushery_webhooks_{name}_total"]:
                self.failures.append(f"webhooks: {count:.0f} {name.replace('_', ' ')}")

    def _collector(self, values: Mapping[str, float], starved: float) -> None:
        pause = bucket_quantile(values, GC_METRIC, 0.999)
        if pause is None:
            self.row("collector's pauses", f"not known: the server has no {GC_METRIC}")
            return
        found = sum(value for name, value in values.items() if name.startswith("python_gc_objects_collected_total"))
        self.row("objects that the collector has freed", f"{found:,.0f}")
        count = values[f"{GC_METRIC}_count"]
        self.row("collector's pauses", f"p99.9 at most {pause * 1000:g} ms, of {count:.0f}" if count else "none")
        if pause > GC_PAUSE_S and starved < STARVED:
            self.failures.append(f"the collector has paused the server for more than {GC_PAUSE_S * 1000:g} ms")
