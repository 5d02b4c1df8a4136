"""What operators and their machines are told."""

from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from pushery.console.feed import own_app
from pushery.core.apps import Directory
from pushery.core.backlog import Backlog
from pushery.core.channelnames import kind_of
from pushery.core.channels import Member
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
    "pushery_registry_failures": "counter",
    "pushery_uncompressed_bytes": "counter",
    "pushery_compressed_bytes": "counter",
    "pushery_errors": "counter",
    "pushery_push_seconds": "histogram",
}
SEEN_ELSEWHERE = {
    "pushery_build_info": "gauge",
    "pushery_apps": "gauge",
    "pushery_tags": "gauge",
    "pushery_subscriptions": "gauge",
    "pushery_presence_members": "gauge",
    "pushery_standing_patterns": "gauge",
    "pushery_broadcasts": "gauge",
    "pushery_max_connections": "gauge",
    "pushery_max_network_connections": "gauge",
    "pushery_max_buffered_bytes": "gauge",
    "pushery_http_responses": "counter",
    "pushery_handshakes_refused": "counter",
    "pushery_loop_lag_seconds": "histogram",
    "pushery_config_last_reload_successful": "gauge",
    "pushery_config_last_reload_success_timestamp_seconds": "gauge",
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


class Making(Collector):
    """Takes as long as it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.takes_s = 0.0
        self.times = -1  # the registry asks once when it is told of a collector

    def collect(self) -> Iterable[Metric]:
        """Nothing to show."""
        self.now += self.takes_s
        self.times += 1
        return ()


class Scene:
    """A server's counters and the routes over them."""

    def __init__(self, *, per_app: bool = False) -> None:
        self.stats = Stats()
        self.hub = Hub(fanout_slice=10, standing_patterns=10)
        self.admission = Admission(Limits(max_sockets=5), self.stats, 1024, lambda: 0.0)
        self.backlog = Backlog(1000, lambda: None)
        self.ready = True
        self.directory = Directory()
        self.making = Making()
        self.operations = Operations(
            self.hub,
            self.admission,
            self.backlog,
            self.directory,
            per_app=per_app,
            is_stopping=lambda: not self.ready,
            further=[self.making],
            monotonic=lambda: self.making.now,
        )
        self.routes = {route.path: route for route in self.operations.routes()}

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


def test_what_there_is_now_is_counted_over_all_apps() -> None:
    scene = Scene()
    for key in ("one", "two"):
        crowd = scene.hub.crowd(key)
        crowd.join("A:1", f"{key} tagged", write)
        crowd.tags.select("A")
        for number in range(2):
            channel, _ = crowd.channels.subscribe("presence-a", kind_of("presence-a"), f"{key} {number}", write)
            assert channel.roster is not None
            channel.roster.arrive(Member(str(number), b"0", b"null"))
        crowd.channels.subscribe("b", kind_of("b"), f"{key} 0", write)
    samples = scene.samples()
    expected = {"tags": 2, "channels": 4, "subscriptions": 6, "presence_members": 4, "standing_patterns": 2, "apps": 0}
    assert {name: samples[f"pushery_{name}", ()] for name in expected} == expected
    crowd = scene.hub.crowd("one")
    crowd.channels.unsubscribe(crowd.channels.by_name["b"], "one 0")
    for number in range(2):
        crowd.channels.unsubscribe(crowd.channels.by_name["presence-a"], f"one {number}")
    assert scene.samples()["pushery_subscriptions", ()] == 3
    assert scene.samples()["pushery_presence_members", ()] == 2


def write(frame: bytes) -> None:
    """Takes a frame."""


def test_a_broadcast_shows_while_it_lasts() -> None:
    scene = Scene()
    crowd = scene.hub.crowd("one")
    for number in range(15):
        crowd.join("A", number, write)
    assert crowd.publish(b"frame", None, lambda total: None) is None
    assert scene.samples()["pushery_broadcasts", ()] == 1
    while crowd.fanout.step():
        pass
    assert scene.samples()["pushery_broadcasts", ()] == 0


def test_limits_are_shown_as_they_hold() -> None:
    scene = Scene()
    samples = scene.samples()
    assert samples["pushery_max_connections", ()] == 5
    assert samples["pushery_max_buffered_bytes", ()] == 1000
    assert samples["pushery_max_network_connections", ()] == scene.admission.most_connections
    scene.admission.limits = Limits()
    assert scene.samples()["pushery_max_connections", ()] == scene.admission.most_with_sockets


def test_the_certificate_shows_only_where_there_is_one() -> None:
    scene = Scene()
    name = ("pushery_tls_certificate_expiry_timestamp_seconds", ())
    assert name not in scene.samples()
    scene.operations.collector.certificate_expires_s = 1.8e9
    assert scene.samples()[name] == 1.8e9


def test_however_many_ask_making_metrics_takes_a_twentieth_of_the_time() -> None:
    scene = Scene()
    making = scene.making
    making.takes_s = 0.01
    for _ in range(10_000):  # in ten seconds
        scene.ask("/metrics")
        making.now += 0.001
    assert making.times * making.takes_s <= 0.05 * making.now + 0.3
    assert making.times > 40


def test_who_asks_now_and_then_gets_what_is_true_now() -> None:
    scene = Scene()
    scene.making.takes_s = 0.02
    for number in range(1, 10):
        scene.stats.pushes = number
        assert scene.samples()["pushery_pushes_total", ()] == number
        scene.making.now += 1.0


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


def test_the_pages_of_the_console_are_in_no_app_and_on_no_channel_that_is_measured() -> None:
    scene = Scene(per_app=True)
    scene.directory.put_own(own_app())
    crowd = scene.hub.crowd(own_app().key)
    crowd.sockets["1.1"] = "page"
    crowd.channels.subscribe("private-overview", kind_of("private-overview"), "page", lambda frame: None)
    samples = scene.samples()
    assert [name for name, labels in samples if labels == (own_app().key,)] == []
    assert samples["pushery_channels", ()] == samples["pushery_subscriptions", ()] == 0


def test_the_process_is_measured_too() -> None:
    names = {name for name, _ in Scene().samples()}
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= names
