"""The rows of the table, the bars they are held to, and the samples that fill them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

JUDGED = "pushery"
"""The column that the bars are for."""


@dataclass(frozen=True)
class Bar:
    """`limit`, or `limit` times what another column reached in the same run."""

    limit: float
    times: str | None = None
    at_most: bool = True

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.limit:,g}" + (f" x {self.times}" if self.times else "")

    def verdict(self, medians: Mapping[str, float]) -> str:
        """ "met", "missed by x %", or why it cannot be said."""
        if JUDGED not in medians:
            return "not measured"
        if self.times is not None and self.times not in medians:
            return f"no {self.times}"
        limit = self.limit * (medians[self.times] if self.times else 1)
        beyond = (medians[JUDGED] / limit - 1) * (1 if self.at_most else -1)
        return "met" if beyond <= 0 else f"missed by {beyond:.0%}"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    title: str
    digits: int = 1
    bars: tuple[Bar, ...] = ()


ROWS = (
    Row("paced.cpu_us", "paced: CPU per delivery, us", 2, (Bar(1.3, "bound"),)),
    Row("paced.p50_ms", "paced: latency p50, ms", 2),
    Row("paced.p99_ms", "paced: latency p99, ms", 2),
    Row("paced.p999_ms", "paced: latency p99.9, ms", 2),
    Row("flat.per_s", "flat out: deliveries/s", 0, (Bar(0.7, "prototype", False), Bar(4, "nchan", False))),
    Row("flat.cpu_us", "flat out: CPU per delivery, us", 2),
    Row("idle.kb", "idle: KB per connection", 2, (Bar(2.5),)),
    Row("idle.accept_us", "accept: CPU per connection, us", 0, (Bar(120),)),
    Row("publish.per_cpu_s", "publish: requests per CPU second", 0, (Bar(30_000, at_most=False),)),
    Row("publish.per_s", "publish: requests/s on the clock", 0),
    Row("patterns.cold_ms", "pattern ^user:A:1.*7$, new: ms", 3, (Bar(5),)),
    Row("patterns.hot_ms", "pattern ^user:A:1.*7$, again: ms", 4, (Bar(0.1),)),
    Row("patterns.exact_ms", "pattern ^user:A:1234$, new: ms", 4, (Bar(0.1),)),
    Row("patterns.literal_ms", "pattern user:A:1234, new: ms", 3, (Bar(0.1),)),
    Row("patterns.literal_hot_ms", "pattern user:A:1234, again: ms", 4, (Bar(0.1),)),
    Row("pusher.paced.cpu_us", "Pusher paced: CPU per delivery, us", 2, (Bar(1.3, "bound"),)),
    Row("pusher.paced.p50_ms", "Pusher paced: latency p50, ms", 2),
    Row("pusher.paced.p99_ms", "Pusher paced: latency p99, ms", 2),
    Row("pusher.paced.p999_ms", "Pusher paced: latency p99.9, ms", 2),
    Row("pusher.flat.per_s", "Pusher flat out: deliveries/s", 0, (Bar(0.7, "prototype", False),)),
    Row("pusher.flat.cpu_us", "Pusher flat out: CPU per delivery, us", 2),
    Row("pusher.idle.kb", "Pusher idle: KB per connection", 2, (Bar(2.5),)),
    Row("pusher.idle.accept_us", "Pusher accept: CPU per connection, us", 0, (Bar(120),)),
    Row("pusher.subscribed.kb", "Pusher idle, subscribed: KB per connection", 2),
    Row("pusher.subscribed.accept_us", "Pusher accept and subscribe: CPU, us", 0),
    Row("pusher.subscribe.public_us", "Pusher subscribe, public: CPU, us", 1, (Bar(60),)),
    Row("pusher.subscribe.private_us", "Pusher subscribe, private: CPU, us", 1, (Bar(60),)),
    Row("pusher.publish.per_cpu_s", "Pusher publish: requests per CPU second", 0, (Bar(25_000, at_most=False),)),
    Row("pusher.publish.per_s", "Pusher publish: requests/s on the clock", 0),
    Row(
        "pusher.unheard.per_cpu_s",
        "Pusher publish to nobody: requests per CPU second",
        0,
        (Bar(25_000, at_most=False),),
    ),
    Row("pusher.batch.per_cpu_s", "Pusher batches of 10: events per CPU second", 0, (Bar(80_000, at_most=False),)),
    Row("pusher.batch.per_s", "Pusher batches of 10: events/s on the clock", 0),
    Row("pusher.client.per_cpu_s", "Pusher client events: inbound per CPU second", 0, (Bar(40_000, at_most=False),)),
    Row("pusher.client.per_s", "Pusher client events: inbound/s on the clock", 0),
    Row("pusher.client.delivered_per_s", "Pusher client events: delivered/s", 0),
)

Values = Mapping[str, float]
"""Row key -> value: what one measurement of one server gives."""


@dataclass
class Results:
    """All samples of a run."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """Row key -> column -> one value per round."""
    naive_ms: list[float] = field(default_factory=list)
    """What one RE2 call per tag takes for the cold pattern, one value per round."""
    notes: dict[str, str] = field(default_factory=dict)
    """What a remark is about -> the remark."""

    def add(self, column: str, values: Values) -> None:
        """Keep what a measurement gave."""
        for key, value in values.items():
            self.samples[key][column].append(value)

    def note(self, about: str, remark: str) -> None:
        """Keep a remark. Of several about the same, the latest stands for all."""
        self.notes[about] = remark

    def medians(self, row: Row) -> dict[str, float]:
        """Column -> median over the rounds."""
        return {column: median(values) for column, values in self.samples.get(row.key, {}).items()}

    def measured(self, column: str) -> bool:
        """Whether there is any value for it."""
        return any(column in columns for columns in self.samples.values())
