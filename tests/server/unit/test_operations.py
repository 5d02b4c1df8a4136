"""What operators and their machines are told."""

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from pushery.core.backlog import Backlog
from pushery.core.exchange import Reply, Request
from pushery.core.hub import Hub
from pushery.core.stats import Stats
from pushery.server.admission import Admission, Limits
from pushery.server.operations import Operations

OURS = {
    "pushery_connections": "gauge",
    "pushery_connections_opened": "counter",
    "pushery_http_requests": "counter",
    "pushery_messages_in": "counter",
    "pushery_messages_out": "counter",
    "pushery_bytes_in": "counter",
    "pushery_bytes_out": "counter",
    "pushery_pushes": "counter",
    "pushery_slow_clients": "counter",
    "pushery_errors": "counter",
    "pushery_push_seconds": "histogram",
}
SEEN_ELSEWHERE = {
    "pushery_channels": "gauge",
    "pushery_users": "gauge",
    "pushery_buffered_bytes": "gauge",
    "pushery_network_connections": "gauge",
}
OF_APPS = {
    "pushery_app_connections": "gauge",
    "pushery_app_pushes": "counter",
    "pushery_app_messages_out": "counter",
}


class Scene:
    """A server's counters and the routes over them."""

    def __init__(self, *, per_app: bool = False) -> None:
        self.stats = Stats()
        self.hub = Hub(fanout_slice=10, standing_patterns=10)
        self.admission = Admission(Limits(max_sockets=5), self.stats, 1024, lambda: 0.0)
        self.backlog = Backlog(1000, lambda: None)
        self.ready = True
        operations = Operations(
            self.hub, self.admission, self.backlog, per_app=per_app, is_stopping=lambda: not self.ready
        )
        self.routes = {route.path: route for route in operations.routes()}

    def ask(self, path: str) -> Reply:
        """GET this path."""
        outcome = self.routes[path].handle(Request("GET", path, "", {}, b""), {})
        assert isinstance(outcome, Reply)
        return outcome

    def families(self) -> dict[str, str]:
        """Our metrics by name, with their types."""
        families = text_string_to_metric_families(self.ask("/metrics").body.decode())
        return {family.name: family.type for family in families if family.name.startswith("pushery_")}

    def samples(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """What is measured, by name and labels."""
        found: dict[tuple[str, tuple[str, ...]], float] = {}
        for family in text_string_to_metric_families(self.ask("/metrics").body.decode()):
            for sample in family.samples:
                assert isinstance(sample, Sample)
                found[sample.name, tuple(sample.labels.values())] = sample.value
        return found


def test_the_operators_routes_are_three() -> None:
    routes = Scene().routes
    assert list(routes) == ["/healthz", "/readyz", "/metrics"]
    assert {route.method for route in routes.values()} == {"GET"}


def test_a_process_that_answers_is_healthy_also_while_it_stops() -> None:
    scene = Scene()
    for ready in (True, False):
        scene.ready = ready
        assert scene.ask("/healthz") == Reply(200, b'{"status":"ok"}')


def test_a_server_that_stops_is_not_ready() -> None:
    scene = Scene()
    assert scene.ask("/readyz") == Reply(200, b'{"status":"ready"}')
    scene.ready = False
    assert scene.ask("/readyz") == Reply(503, b'{"status":"stopping"}')


def test_the_metrics_are_the_text_format_of_prometheus() -> None:
    reply = Scene().ask("/metrics")
    assert reply.status == 200
    assert reply.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert list(text_string_to_metric_families(reply.body.decode()))


def test_the_metrics_have_these_names_and_each_says_what_it_counts() -> None:
    scene = Scene()
    assert scene.families() == OURS | SEEN_ELSEWHERE
    for family in text_string_to_metric_families(scene.ask("/metrics").body.decode()):
        assert family.documentation


def test_a_scrape_shows_the_counters_as_they_are() -> None:
    scene = Scene()
    stats = scene.stats
    for number, name in enumerate(OURS, 1):
        counter = name.removeprefix("pushery_")
        if counter not in ("errors", "push_seconds"):
            setattr(stats, counter, number)
    stats.errors.update({"unauthorized": 3, 'odd "kind"\\\n': 1})
    samples = scene.samples()
    assert samples["pushery_connections", ()] == 1
    assert samples["pushery_slow_clients_total", ()] == 9
    assert samples["pushery_errors_total", ("unauthorized",)] == 3
    assert samples["pushery_errors_total", ('odd "kind"\\\n',)] == 1
    stats.connections = 0
    assert scene.samples()["pushery_connections", ()] == 0


def test_push_times_are_counted_in_rising_buckets() -> None:
    scene = Scene()
    for seconds in (0.00001, 0.0005, 0.0005, 0.3, 100.0):
        scene.stats.push_seconds.observe(seconds)
    samples = scene.samples()
    assert samples["pushery_push_seconds_bucket", ("5e-05",)] == 1
    assert samples["pushery_push_seconds_bucket", ("0.0005",)] == 3
    assert samples["pushery_push_seconds_bucket", ("0.5",)] == 4
    assert samples["pushery_push_seconds_bucket", ("+Inf",)] == samples["pushery_push_seconds_count", ()] == 5
    assert round(samples["pushery_push_seconds_sum", ()], 5) == 100.30101


def test_apps_are_counted_apart_only_when_the_setting_says_so() -> None:
    assert not OF_APPS.keys() & Scene().families().keys()
    scene = Scene(per_app=True)
    assert scene.families() == OURS | SEEN_ELSEWHERE | OF_APPS
    crowd = scene.hub.crowd("key")
    crowd.join("A:1", "somebody", lambda frame: None)
    crowd.pushes, crowd.messages_out = 2, 5
    samples = scene.samples()
    assert samples["pushery_app_connections", ("key",)] == 1
    assert samples["pushery_app_pushes_total", ("key",)] == 2
    assert samples["pushery_app_messages_out_total", ("key",)] == 5


def test_the_process_is_measured_too() -> None:
    names = {name for name, _ in Scene().samples()}
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= names
