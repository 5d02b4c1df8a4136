"""What the server counts, as Prometheus wants it: read at the moment of a scrape, never before.

Nothing is counted here. Invariant: a scrape takes time by the number of apps and of presence channels, never by that of
sockets.
"""

import platform
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

import pushery
from pushery.core.apps import Directory
from pushery.core.backlog import Backlog
from pushery.core.hub import Crowd, Hub
from pushery.core.stats import Histogram
from pushery.server.admission import Admission

_COUNTERS: Final = (
    ("connections_opened", "Client sockets accepted since the start."),
    ("http_requests", "HTTP requests answered, WebSocket handshakes included."),
    ("messages_in", "Messages received from client sockets."),
    ("messages_out", "Messages handed to client sockets: one push to a thousand sockets counts a thousand."),
    ("bytes_in", "Bytes received from clients and backends."),
    ("bytes_out", "Bytes of pushed messages handed to client sockets, before compression."),
    ("pushes", "Pushes published, whether anybody received them or not."),
    ("slow_clients", "Client sockets closed because their outbox was full."),
    ("registry_failures", "Looks at the registry, one a second, that failed: changes by others are not taken in."),
    ("uncompressed_bytes", "Bytes of pushed messages that were compressed, before that, each message once."),
    ("compressed_bytes", "Bytes of the same messages, after it."),
)

_OWN_FAULTS: Final = dict.fromkeys(("internal_error", "registry_unavailable", "write_failed"), 0)
"""Kinds of errors that are shown before there are any: to Prometheus what begins with 1 has not risen, and the alert is
to hear of the first."""


class StatsCollector(Collector):
    """Everything that concerns the server as a whole, and if so wanted each app."""

    def __init__(
        self, hub: Hub, admission: Admission, backlog: Backlog, directory: Directory, *, per_app: bool
    ) -> None:
        self._hub = hub
        self._admission = admission
        self._stats = admission.stats
        self._backlog = backlog
        self._directory = directory
        self.per_app = per_app
        """Whether each app is counted apart."""
        self.certificate_expires_s: float | None = None
        """When the TLS certificate in use expires, in unix seconds; None without TLS."""

    def collect(self) -> Iterable[Metric]:
        """All metrics of ours."""
        yield _build()
        yield from self._present()
        yield from self._limits()
        for name, text in _COUNTERS:
            yield CounterMetricFamily(f"pushery_{name}", text, getattr(self._stats, name))
        yield from self._outcomes()
        yield from self._times()
        yield from self._state()
        if self.per_app:
            yield from self._of_apps()

    def _present(self) -> Iterable[Metric]:
        """How many of everything there are now."""
        crowds = list(self._crowds().values())
        yield _gauge("apps", "Apps that are registered.", len(self._directory.apps))
        yield _gauge("connections", "Client sockets open now.", self._stats.connections)
        text = "Network connections open now, of clients and backends."
        yield _gauge("network_connections", text, self._admission.connections)
        yield _gauge("tags", "Different tags that clients are connected with.", sum(map(_tags, crowds)))
        text = "Channels that somebody is subscribed to."
        yield _gauge("channels", text, sum(len(crowd.channels.by_name) for crowd in crowds))
        text = "Subscriptions to channels."
        yield _gauge("subscriptions", text, sum(crowd.channels.subscriptions for crowd in crowds))
        text = "Users who are present on channels, each counted once on every channel."
        yield _gauge("presence_members", text, sum(map(_members, crowds)))
        yield _gauge("users", "Users who are signed in.", sum(len(crowd.users) for crowd in crowds))
        text = "Patterns that are remembered together with what they match."
        yield _gauge("standing_patterns", text, sum(map(_patterns, crowds)))
        yield _gauge("broadcasts", "Huge audiences that are being written to.", sum(map(_broadcasts, crowds)))
        text = "Bytes that wait: for slow clients, for the rest of a body or message, for their turn to be read."
        yield _gauge("buffered_bytes", text, self._backlog.size)

    def _limits(self) -> Iterable[Metric]:
        """What may be, so that a query can divide by it."""
        yield _gauge("max_connections", "Client sockets there may be.", self._admission.most_sockets)
        text = "Network connections there may be."
        yield _gauge("max_network_connections", text, self._admission.most_connections)
        yield _gauge("max_buffered_bytes", "Bytes that may wait before somebody has to go.", self._backlog.limit)

    def _outcomes(self) -> Iterable[Metric]:
        stats = self._stats
        errors = CounterMetricFamily(
            "pushery_errors", "Refused requests and sockets closed for cause.", labels=["kind"]
        )
        for kind, count in sorted((_OWN_FAULTS | stats.errors).items()):
            errors.add_metric([kind], count)
        yield errors
        text = "HTTP requests that were answered, by the class of the status."
        responses = CounterMetricFamily("pushery_http_responses", text, labels=["class"])
        for first, count in enumerate(stats.http_responses):
            if first:
                responses.add_metric([f"{first}xx"], count)
        yield responses
        text = "Clients that wanted a socket and were refused, by the code of the refusal."
        refused = CounterMetricFamily("pushery_handshakes_refused", text, labels=["reason"])
        for code, count in sorted(stats.handshakes_refused.items()):
            refused.add_metric([code], count)
        yield refused

    def _times(self) -> Iterable[Metric]:
        text = "From a parsed push until its frames are queued for all receivers; for a broadcast, written."
        yield _histogram("push_seconds", text, self._stats.push_seconds)
        text = "How late the event loop was for an appointment that it has twice a second."
        yield _histogram("loop_lag_seconds", text, self._stats.loop_lag_seconds)

    def _state(self) -> Iterable[Metric]:
        stats = self._stats
        text = "Whether the last reload of the settings was taken over as a whole; 1 before the first."
        yield _gauge("config_last_reload_successful", text, int(not stats.reload_failed))
        text = "When settings were last taken over as a whole, the start included, in unix time."
        yield _gauge("config_last_reload_success_timestamp_seconds", text, stats.reloaded_at)
        if self.certificate_expires_s is not None:
            text = "When the TLS certificate in use expires, in unix time."
            yield _gauge("tls_certificate_expiry_timestamp_seconds", text, self.certificate_expires_s)

    def _crowds(self) -> dict[str, Crowd]:
        """By app key. What goes on in an app of the server's own is no business of its clients'."""
        registered, known = self._directory.apps, self._directory.all
        return {key: crowd for key, crowd in self._hub.crowds.items() if key in registered or key not in known}

    def _of_apps(self) -> Iterable[Metric]:
        connections = GaugeMetricFamily("pushery_app_connections", "Client sockets open now.", labels=["app_key"])
        pushes = CounterMetricFamily("pushery_app_pushes", "Pushes published.", labels=["app_key"])
        messages = CounterMetricFamily("pushery_app_messages_out", "Messages handed to sockets.", labels=["app_key"])
        for key, crowd in self._crowds().items():
            connections.add_metric([key], len(crowd))
            pushes.add_metric([key], crowd.pushes)
            messages.add_metric([key], crowd.messages_out)
        return (connections, pushes, messages)


def _histogram(name: str, text: str, counted: Histogram) -> Metric:
    return HistogramMetricFamily(f"pushery_{name}", text, buckets=counted.cumulative(), sum_value=counted.total)


def _build() -> Metric:
    text = "Always 1; the labels tell what is running."
    family = GaugeMetricFamily("pushery_build_info", text, labels=["version", "python", "implementation"])
    family.add_metric([pushery.__version__, platform.python_version(), platform.python_implementation()], 1)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pushery_{name}", text, value)


def _tags(crowd: Crowd) -> int:
    return len(crowd.tags.audiences)


def _members(crowd: Crowd) -> int:
    channels = crowd.channels.with_presence.values()
    return sum(len(channel.roster) for channel in channels if channel.roster is not None)


def _patterns(crowd: Crowd) -> int:
    return crowd.tags.standing + crowd.channels.names.standing


def _broadcasts(crowd: Crowd) -> int:
    return crowd.fanout.broadcasts + crowd.channels.fanout.broadcasts
