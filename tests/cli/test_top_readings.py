"""What two looks at the metrics say, as values."""

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from pushery.cli.top.readings import Scrape, compare, quantile, read_scrape
from pushery.cli.top.screen import duration, size

START = "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1000\n"


def metrics(*, connections: int = 3, start: int = 1000, apps: str = "", **counters: float) -> str:
    """Metrics as a server shows them."""
    lines = [f"# TYPE pushery_connections gauge\npushery_connections {connections}"]
    lines += [f"# TYPE pushery_{name}_total counter\npushery_{name}_total {value}" for name, value in counters.items()]
    return "\n".join(lines) + "\n" + START.replace("1000", str(start)) + apps


def scrapes(before: str, after: str, seconds: float = 2.0) -> tuple[Scrape, Scrape]:
    return read_scrape(before, 10.0), read_scrape(after, 10.0 + seconds)


def test_rates_are_by_the_second() -> None:
    reading = compare(*scrapes(metrics(pushes=10, messages_out=100), metrics(pushes=14, messages_out=4100)), 1060.0)
    assert (reading.pushes_per_s, reading.deliveries_per_s, reading.connections) == (2.0, 2000.0, 3)
    assert (reading.uptime_s, reading.restarted, reading.push_p50_ms) == (60.0, False, None)


def test_a_server_that_was_started_anew_counts_from_zero() -> None:
    reading = compare(*scrapes(metrics(pushes=1000), metrics(pushes=1004, start=1050)), 1060.0)
    assert (reading.restarted, reading.pushes_per_s) == (True, 502.0)
    reading = compare(*scrapes(metrics(pushes=1000), metrics(pushes=4)), 1060.0)
    assert reading.pushes_per_s == 2.0


def test_errors_that_have_not_happened_meanwhile_are_not_shown() -> None:
    errors = (
        '# TYPE pushery_errors_total counter\npushery_errors_total{kind="a"} 5\npushery_errors_total{kind="b"} %d\n'
    )
    reading = compare(*scrapes(metrics() + errors % 1, metrics() + errors % 5), 0.0)
    assert reading.errors_per_s == {"b": 2.0}


def test_apps_come_by_deliveries_and_are_unknown_where_they_are_not_counted() -> None:
    def told(first: int, second: int) -> str:
        return (
            '# TYPE pushery_app_connections gauge\npushery_app_connections{app_key="one"} 1\n'
            'pushery_app_connections{app_key="two"} 2\n# TYPE pushery_app_messages_out_total counter\n'
            f'pushery_app_messages_out_total{{app_key="one"}} {first}\n'
            f'pushery_app_messages_out_total{{app_key="two"}} {second}\n'
        )

    reading = compare(*scrapes(metrics(apps=told(0, 0)), metrics(apps=told(2, 8))), 0.0)
    assert reading.apps is not None
    assert [(app.app_key, app.connections, app.deliveries_per_s) for app in reading.apps] == [
        ("two", 2, 4.0),
        ("one", 1, 1.0),
    ]
    assert compare(*scrapes(metrics(), metrics()), 0.0).apps is None


def test_apps_that_are_counted_but_not_there_yet_are_an_empty_list() -> None:
    apps = "# TYPE pushery_app_connections gauge\n"
    assert compare(*scrapes(metrics(apps=apps), metrics(apps=apps)), 0.0).apps == ()


def test_the_latency_is_that_of_the_last_interval() -> None:
    registry = CollectorRegistry()
    pushes = Histogram("pushery_push_seconds", "", buckets=(0.001, 0.01, 0.1), registry=registry)
    pushes.observe(5.0)
    before = metrics() + generate_latest(registry).decode()
    for _ in range(100):
        pushes.observe(0.005)
    reading = compare(*scrapes(before, metrics() + generate_latest(registry).decode()), 0.0)
    assert reading.push_p50_ms == pytest.approx(5.5)
    assert reading.push_p99_ms == pytest.approx(9.91)


def test_past_the_last_bound_that_bound_is_all_that_is_known() -> None:
    assert quantile({0.1: 0.0, 2.5: 1.0, float("inf"): 100.0}, 0.99) == 2.5
    assert quantile({0.1: 0.0, float("inf"): 0.0}, 0.5) is None
    assert quantile({}, 0.5) is None


def test_metrics_of_something_else_are_refused() -> None:
    with pytest.raises(ValueError, match="not the metrics of a Pushery server"):
        read_scrape(START, 0.0)


def test_figures_are_written_for_people() -> None:
    assert [size(0), size(1023), size(1536), size(3 * 1024**3)] == ["0 B", "1023 B", "1.5 KiB", "3.0 GiB"]
    assert [duration(0), duration(65), duration(3600), duration(93_784)] == ["0 s", "1 m 5 s", "1 h 0 m", "1 d 2 h"]
