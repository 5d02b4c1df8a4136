"""The dashboard and the alert rules: every metric in them is really there, and every alert says what to do.

The grammar of PromQL is not checked, only what it speaks of; `promtool check rules` checks that of the alerts.
"""

import json
import re
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import InvalidStatus

from tests.docs.pages import ROOT, section
from tests.support.certificates import write_certificate
from tests.support.server import ServerProcess, TestApp

pytestmark = pytest.mark.process

DASHBOARD = json.loads((ROOT / "ops" / "grafana" / "pushery.json").read_text())
RULES = yaml.safe_load((ROOT / "ops" / "prometheus" / "alerts.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
HOW_TO = ROOT / "docs" / "how-to" / "monitor-with-prometheus.md"

_METRIC = re.compile(r"\b(?:pushery|process|python)_\w+")
_LABELS = re.compile(r"(\w+)\{([^}]*)\}|\bby \(([^)]*)\)")
_IN_PROMETHEUS = {"job", "instance", "le"}


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> list[Metric]:
    """All that a real server shows that speaks TLS and counts its apps."""
    directory = tmp_path_factory.mktemp("scraped")
    certificate, key = directory / "cert.pem", directory / "key.pem"
    write_certificate(certificate, key)
    with ServerProcess(directory, metrics_per_app=True) as server:
        app = server.register()
        with server.client(app, "A"):
            server.push(app, "x")
            with pytest.raises(InvalidStatus), server.client(TestApp("none", ("", "")), "A"):
                raise AssertionError("there is no such app")
            text = server.request("GET", "/metrics", auth=None).body.decode()
    return [*text_string_to_metric_families(text), *of_tls(tmp_path_factory.mktemp("secure"), certificate, key)]


def of_tls(directory: Path, certificate: Path, key: Path) -> list[Metric]:
    """What only a server with TLS shows."""
    server = ServerProcess(directory, tls_certificate=str(certificate), tls_key=str(key))
    with server:
        context = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(f"https://127.0.0.1:{server.port}/metrics", context=context) as reply:
            found = text_string_to_metric_families(reply.read().decode())
            return [family for family in found if family.name.startswith("pushery_tls_")]


@pytest.fixture(scope="module")
def shown(families: list[Metric]) -> dict[str, set[str]]:
    """The labels of every series there is, by its name."""
    found: dict[str, set[str]] = {}
    for family in families:
        names = {family.name: set[str]()}
        if family.type == "counter":
            names = {f"{family.name}_total": set()}
        if family.type == "histogram":
            names = {f"{family.name}_{part}": set() for part in ("bucket", "sum", "count")}
        found |= names
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _queries() -> Iterator[tuple[str, str]]:
    """Where a query stands, and what it says."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["definition"]
    for alert in ALERTS:
        yield f"alert {alert['alert']}", alert["expr"]


QUERIES = list(_queries())


@pytest.mark.parametrize(("place", "query"), QUERIES, ids=[place for place, _ in QUERIES])
def test_every_metric_in_a_query_is_really_there(shown: dict[str, set[str]], place: str, query: str) -> None:
    names = set(_METRIC.findall(query))
    assert names or query.startswith("up{")
    assert names - shown.keys() == set()
    for metric, labels, _ in _LABELS.findall(query):
        if metric in shown:
            assert set(re.findall(r"(\w+)\s*(?:=~|!=|=)", labels)) <= shown[metric] | _IN_PROMETHEUS
    for _, _, grouped in _LABELS.findall(query):
        known = set().union(*(shown[name] for name in names)) | _IN_PROMETHEUS
        assert {label.strip() for label in grouped.split(",") if label.strip()} <= known


def test_what_an_alert_is_to_hear_the_first_of_is_shown_as_0_before(families: list[Metric]) -> None:
    shown = {(sample.name, *sample.labels.values()): sample.value for each in families for sample in each.samples}
    firsts = [alert for alert in ALERTS if re.search(r"increase\(.*> 0$", alert["expr"])]
    assert [alert["alert"] for alert in firsts] == ["PusheryFailing", "PusheryWebhooksGivenUp"]
    for alert in firsts:
        for name, labels in re.findall(r"increase\((\w+)\{([^}]*)\}", alert["expr"]):
            kinds = re.findall(r'kind=~"([^"]+)"', labels)
            for series in [(name, kind) for kind in kinds[0].split("|")] if kinds else [(name,)]:
                assert shown[series] == 0, series


def test_every_metric_of_ours_is_on_the_dashboard_or_in_an_alert(families: list[Metric]) -> None:
    used = " ".join(query for _, query in QUERIES)
    unused = {family.name for family in families if family.name.startswith("pushery_") and family.name not in used}
    assert unused == {"pushery_http_requests", "pushery_config_last_reload_success_timestamp_seconds"}


@pytest.mark.parametrize("query", [query for _, query in QUERIES])
def test_brackets_in_a_query_close(query: str) -> None:
    bare = re.sub(r'"[^"]*"', '""', query)
    for pair in ("()", "[]", "{}"):
        assert bare.count(pair[0]) == bare.count(pair[1])


def test_the_dashboard_lets_people_choose_the_source_and_the_instance() -> None:
    variables = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "job": "query", "instance": "query"}
    rows = [panel["title"].partition(" (")[0] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    wanted = ["Traffic", "Latency", "Clients", "Errors", "Memory and CPU", "Webhooks and connect hooks", "Per app"]
    assert rows == wanted
    for panel in DASHBOARD["panels"]:
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_says_what_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    annotations, name = alert["annotations"], alert["alert"]
    assert annotations["summary"]
    assert annotations["description"].endswith(".")
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert annotations["runbook"] == f"docs/how-to/monitor-with-prometheus.md#{name.lower()}"
    assert len(section(HOW_TO, name)) > 100


def test_no_runbook_is_left_of_an_alert_that_is_gone() -> None:
    told = re.findall(r"^### (Pushery\w+)$", HOW_TO.read_text(), re.MULTILINE)
    assert told == [alert["alert"] for alert in ALERTS]
    assert len(set(told)) == len(told)


# What Prometheus's conventions ask for: https://prometheus.io/docs/practices/naming/

_NAME = re.compile(r"pushery_[a-z]+(_[a-z]+)*")
_NOT_IN_NAMES = (
    "ms", "milliseconds", "minutes", "kb", "kib", "mb", "mib", "percent",
    "counter", "gauge", "histogram", "total", "count", "sum", "bucket",
)  # fmt: skip
_UNIT_WITHIN = {"pushery_bytes_in", "pushery_bytes_out"}
"""Counters of which the unit stands in front of the direction, as in `messages_in`; they keep their names."""


def test_metrics_are_named_and_explained_as_prometheus_wants_it(families: list[Metric]) -> None:
    ours = [family for family in families if family.name.startswith("pushery_")]
    assert len({family.name for family in ours}) == len(ours) > 40
    for family in ours:
        name, parts = family.name, family.name.split("_")
        assert _NAME.fullmatch(name)
        assert family.type in ("counter", "gauge", "histogram"), name
        assert family.documentation.endswith("."), name
        assert family.documentation.lower() != name
        assert not set(parts) & set(_NOT_IN_NAMES), name
        if {"bytes", "seconds"} & set(parts):
            assert parts[-1] in ("bytes", "seconds") or name in _UNIT_WITHIN, name
        if family.type == "histogram":
            assert parts[-1] in ("seconds", "bytes"), name
        for sample in family.samples:
            assert (sample.name == f"{name}_total") == (family.type == "counter"), sample
            assert all(re.fullmatch(r"[a-z_]+", label) for label in sample.labels)
            assert not set(sample.labels) & set(parts), sample


def test_a_label_has_the_same_meaning_in_all_series_of_a_metric(families: list[Metric]) -> None:
    for family in families:
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert len(labels) <= 1, family.name
