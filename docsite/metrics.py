"""docs/reference/metrics-list.md: every metric with its help, from the answer to a scrape."""

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from docsite.markdown import code, page, table
from docsite.surface import surface

_INTRO: Final = """\
Every metric that `GET /metrics` shows, with the words that Prometheus shows beside it. It is written by a scrape of a
real server, with [`metrics_per_app`](settings.md#metrics_per_app). [Metrics](metrics.md) says more about each, and
about their labels."""


def render() -> str:
    """The page."""
    rows = [[code(_shown(family.name, family.type)), family.type, family.documentation] for family in _families()]
    ours = [row for row in rows if row[0].startswith("`pushery_")]
    others = [row for row in rows if row not in ours]
    headings = ["Metric", "Type", "Help"]
    return page(
        "List of metrics",
        _INTRO,
        f"## Ours\n\n{table(headings, ours)}",
        f"## Of Prometheus's client library\n\n{table(headings, others)}",
    )


def _families() -> Iterable[Metric]:
    return text_string_to_metric_families(surface().metrics)


def _shown(name: str, kind: str) -> str:
    """What is asked for in a query: the parser takes the ending off a counter's name."""
    return f"{name}_total" if kind == "counter" else name
