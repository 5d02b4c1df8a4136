"""What two looks at `/metrics` say about the time between them.

Pure: text and times in, frozen values out. Invariant: a rate is never negative; a counter that has gone back belongs to
a server that was started anew, and counts from 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

_PUSH_BUCKET: Final = "pushery_push_seconds_bucket"
_ERRORS: Final = "pushery_errors_total"
_APP_CONNECTIONS: Final = "pushery_app_connections"
_APP_PUSHES: Final = "pushery_app_pushes_total"
_APP_DELIVERIES: Final = "pushery_app_messages_out_total"
_LABELLED: Final = {
    _PUSH_BUCKET: "le",
    _ERRORS: "kind",
    _APP_CONNECTIONS: "app_key",
    _APP_PUSHES: "app_key",
    _APP_DELIVERIES: "app_key",
}


@dataclass(frozen=True, slots=True)
class Scrape:
    """One look. `at_s` is on a clock that only runs forward."""

    at_s: float
    values: Mapping[str, float]
    """The metrics without labels, by name."""
    labelled: Mapping[str, Mapping[str, float]]
    """Those with one label that counts here, by name and by the label's value."""


@dataclass(frozen=True, slots=True)
class AppReading:
    """One app: clients now, and what happened in a second."""

    app_key: str
    connections: int
    pushes_per_s: float
    deliveries_per_s: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What happened between two looks. None is what the server does not tell, or what has no meaning yet."""

    seconds: float
    connections: int
    network_connections: int
    channels: int
    users: int
    connects_per_s: float
    pushes_per_s: float
    deliveries_per_s: float
    messages_in_per_s: float
    bytes_out_per_s: float
    bytes_in_per_s: float
    requests_per_s: float
    push_p50_ms: float | None
    push_p99_ms: float | None
    slow_clients: int
    """Closed since the server's start."""
    slow_clients_per_s: float
    errors_per_s: Mapping[str, float]
    buffered_bytes: int
    cpu_percent: float | None
    memory_bytes: int | None
    uptime_s: float | None
    restarted: bool
    apps: tuple[AppReading, ...] | None
    """By deliveries, most first; None when the server does not count apps apart."""


def read_scrape(text: str, at_s: float) -> Scrape:
    """What a server's metrics say. Raises ValueError when they are none of Pushery's."""
    values: dict[str, float] = {}
    labelled: dict[str, dict[str, float]] = {name: {} for name in _LABELLED}
    told: set[str] = set()
    for family in text_string_to_metric_families(text):
        told.add(family.name)
        for sample in family.samples:
            label = _LABELLED.get(sample.name)
            if label is not None:
                labelled[sample.name][sample.labels.get(label, "")] = sample.value
            if not sample.labels:
                values[sample.name] = sample.value
    if "pushery_connections" not in values:
        raise ValueError("these are not the metrics of a Pushery server")
    if _APP_CONNECTIONS in told:
        values[_APP_CONNECTIONS] = len(labelled[_APP_CONNECTIONS])
    return Scrape(at_s, values, labelled)


def compare(before: Scrape, after: Scrape, wall_s: float) -> Reading:
    """What happened between two looks at the same address. `wall_s` is the unix time of the later one."""
    seconds = max(after.at_s - before.at_s, 1e-6)
    started = after.values.get("process_start_time_seconds")
    restarted = started != before.values.get("process_start_time_seconds")

    def rate(name: str) -> float:
        earlier = 0.0 if restarted else before.values.get(name, 0.0)
        return _rise(earlier, after.values.get(name, 0.0)) / seconds

    def now(name: str) -> int:
        return int(after.values.get(name, 0))

    old_buckets = {} if restarted else before.labelled[_PUSH_BUCKET]
    buckets = _buckets(old_buckets, after.labelled[_PUSH_BUCKET])
    cpu = rate("process_cpu_seconds_total") * 100 if "process_cpu_seconds_total" in after.values else None
    memory = after.values.get("process_resident_memory_bytes")
    errors = _rates({} if restarted else before.labelled[_ERRORS], after.labelled[_ERRORS], seconds)
    return Reading(
        seconds=seconds,
        connections=now("pushery_connections"),
        network_connections=now("pushery_network_connections"),
        channels=now("pushery_channels"),
        users=now("pushery_users"),
        connects_per_s=rate("pushery_connections_opened_total"),
        pushes_per_s=rate("pushery_pushes_total"),
        deliveries_per_s=rate("pushery_messages_out_total"),
        messages_in_per_s=rate("pushery_messages_in_total"),
        bytes_out_per_s=rate("pushery_bytes_out_total"),
        bytes_in_per_s=rate("pushery_bytes_in_total"),
        requests_per_s=rate("pushery_http_requests_total"),
        push_p50_ms=_milliseconds(quantile(buckets, 0.5)),
        push_p99_ms=_milliseconds(quantile(buckets, 0.99)),
        slow_clients=now("pushery_slow_clients_total"),
        slow_clients_per_s=rate("pushery_slow_clients_total"),
        errors_per_s={kind: value for kind, value in errors.items() if value > 0},
        buffered_bytes=now("pushery_buffered_bytes"),
        cpu_percent=cpu,
        memory_bytes=None if memory is None else int(memory),
        uptime_s=None if started is None else max(0.0, wall_s - started),
        restarted=restarted,
        apps=_apps(before, after, seconds, restarted=restarted),
    )


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The value below which `share` of the observations lie, in seconds; None when there are none.

    `buckets` has cumulative counts by inclusive upper end. Within a bucket the values are taken to lie evenly, as
    Prometheus's `histogram_quantile` does it; past the last finite end, that end is all that is known.
    """
    ends = sorted(buckets)
    total = buckets[ends[-1]] if ends else 0.0
    if total <= 0:
        return None
    wanted, low, below = total * share, 0.0, 0.0
    for end in ends:
        count = buckets[end]
        if count >= wanted:
            if math.isinf(end):
                return low
            return low + (end - low) * (wanted - below) / max(count - below, 1e-9)
        low, below = end, count
    return low


def _buckets(before: Mapping[str, float], after: Mapping[str, float]) -> dict[float, float]:
    return {float(end): _rise(before.get(end, 0.0), count) for end, count in after.items()}


def _apps(before: Scrape, after: Scrape, seconds: float, *, restarted: bool) -> tuple[AppReading, ...] | None:
    if _APP_CONNECTIONS not in after.values:
        return None
    names = (_APP_PUSHES, _APP_DELIVERIES)
    pushes, deliveries = (
        _rates({} if restarted else before.labelled[name], after.labelled[name], seconds) for name in names
    )
    apps = [
        AppReading(key, int(connections), pushes.get(key, 0.0), deliveries.get(key, 0.0))
        for key, connections in after.labelled[_APP_CONNECTIONS].items()
    ]
    return tuple(sorted(apps, key=lambda app: (-app.deliveries_per_s, -app.connections, app.app_key)))


def _rates(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> dict[str, float]:
    return {key: _rise(before.get(key, 0.0), value) / seconds for key, value in after.items()}


def _rise(before: float, after: float) -> float:
    return after - before if after >= before else after


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
