"""The check that the how-to page shows accepts our requests, and no others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pushery.core.apps import KeyPair
from pushery.workers import requests
from tests.docs.pages import ROOT, blocks
from tests.workers.worlds import occupied

PAGE = ROOT / "docs" / "how-to" / "receive-webhooks.md"


def shown_check(page: Path) -> Callable[[dict[str, str], bytes, dict[str, str]], Any]:
    (code,) = [block.text for block in blocks(page) if block.info == "python"]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the page's own example
    check: Callable[[dict[str, str], bytes, dict[str, str]], Any] = names["events_of"]
    return check


def test_the_check_on_the_page_tells_our_requests_from_others() -> None:
    events_of = shown_check(PAGE)
    body = requests.body(1, [msgspec.json.encode(occupied("a"))])
    headers = requests.headers(KeyPair(key="k", secret="s"), body)
    assert events_of(headers, body, {"k": "s"}) == [{"name": "channel_occupied", "channel": "a"}]
    assert events_of(headers, body + b" ", {"k": "s"}) is None
    assert events_of(headers, body, {"k": "other"}) is None
    assert events_of(headers, body, {}) is None
    assert events_of({"X-Pusher-Key": "k"}, body, {"k": "s"}) is None
