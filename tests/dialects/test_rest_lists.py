"""The two lists of the GoPusher routes, apps and users online: what a row says, and how it is paged."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.apps import App
from pushery.core.effects import Inspect, ListApps
from pushery.dialects.gopusher import GoPusher, GoPusherOptions
from pushery.dialects.gopusher.rest import MASK, MAX_LIMIT
from tests.dialects.gopusher import (
    APP_LIST,
    APPS,
    CLOCK,
    KEY,
    LIST_ONLINE,
    PAGED,
    SUPER,
    app,
    crowd_of,
    effect,
    refused,
)

# App list.


def rows(listing: ListApps, apps: Sequence[App]) -> dict[str, Any]:
    """The page a listing makes of these apps."""
    answer: dict[str, Any] = json.loads(listing.answer(apps).body)
    return answer


@pytest.fixture
def taipei() -> Iterator[None]:
    """Local time is that of the README's author."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "CST-8"  # Taipei, without asking for a database of time zones
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("taipei")
def test_app_list_answers_as_in_the_readme() -> None:
    apps = [
        app("db15759925b279b4b037d7a4e1f92b0f", 1, registered_ms=1440473952104),
        app("56f08a519be877060fb4a4ea2a75aad8", 2, registered_ms=1440562254686),
    ]
    reply = effect(ListApps, APP_LIST, limit="2", page="1").answer(apps)
    assert reply.content_type == "application/json"
    assert reply.body.decode() == (
        '{"limit":2,"offset":1,"total":2,"data":['
        '{"app_key":"db15759925b279b4b037d7a4e1f92b0f","app_name":"test1","auth_account":"scott1",'
        '"auth_password":"760804","request_ip":"127.0.0.1:50040","date":"2015/08/25 11:39:12",'
        '"timestamp":"1440473952104"},'
        '{"app_key":"56f08a519be877060fb4a4ea2a75aad8","app_name":"test2","auth_account":"scott2",'
        '"auth_password":"760804","request_ip":"127.0.0.1:50040","date":"2015/08/26 12:10:54",'
        '"timestamp":"1440562254686"}]}'
    )


def test_app_list_masks_passwords_when_told_to() -> None:
    masked = GoPusher(GoPusherOptions(*SUPER, mask_passwords=True, message_limit=512), APPS, CLOCK)
    listing = effect(ListApps, APP_LIST, dialect=masked)
    assert [row["auth_password"] for row in rows(listing, [app(), app(password="")])["data"]] == [MASK, MASK]
    assert b"760804" not in listing.answer([app()]).body


def test_app_list_of_no_apps_is_an_empty_list() -> None:
    assert effect(ListApps, APP_LIST).answer([]).body == b'{"limit":10,"offset":1,"total":0,"data":[]}'


# Paging, which both lists share.


def page_of(route: str, count: int, limit: str, page: str) -> dict[str, Any]:
    """The page of a list of `count` entries; its entries, by number, are under "entries"."""
    if route == APP_LIST:
        listing = effect(ListApps, APP_LIST, limit=limit, page=page)
        answer: dict[str, Any] = rows(listing, [app(f"{number:032x}", number) for number in range(count)])
        answer["page"] = answer.pop("offset")
        answer["entries"] = [int(row["app_key"], 16) for row in answer["data"]]
    else:
        tags = [f"{number:06}" for number in range(count)]
        answer = json.loads(effect(Inspect, LIST_ONLINE, limit=limit, page=page).answer(crowd_of(tags)).body)
        answer["entries"] = [int(tag) for tag in answer["user_tags"]]
    return answer


@pytest.mark.parametrize("route", PAGED)
@pytest.mark.parametrize(
    ("limit", "page", "served_limit", "served_page", "first", "last"),
    [
        ("10", "1", 10, 1, 0, 10),
        ("10", "0", 10, 1, 0, 10),
        ("10", "2", 10, 2, 10, 20),
        ("10", "250", 10, 250, 2490, 2500),
        ("0", "1", MAX_LIMIT, 1, 0, MAX_LIMIT),
        ("0", "0", MAX_LIMIT, 1, 0, MAX_LIMIT),
        ("0", "3", MAX_LIMIT, 3, 2000, 2500),
        ("1001", "2", MAX_LIMIT, 2, 1000, 2000),
        ("999999999999", "1", MAX_LIMIT, 1, 0, MAX_LIMIT),
        ("007", "01", 7, 1, 0, 7),
    ],
)
def test_a_page_is_as_long_and_where_it_was_asked_for(
    route: str, limit: str, page: str, served_limit: int, served_page: int, first: int, last: int
) -> None:
    answer = page_of(route, 2500, limit, page)
    assert answer["entries"] == list(range(first, last))
    assert (answer["limit"], answer["page"], answer["total"]) == (served_limit, served_page, 2500)


@pytest.mark.parametrize("route", PAGED)
@pytest.mark.parametrize(("limit", "page"), [("10", "2"), ("10", "3"), ("0", "2"), ("1", "999999999999999")])
def test_past_the_end_the_list_is_empty_and_the_total_still_true(route: str, limit: str, page: str) -> None:
    answer = page_of(route, 10, limit, page)
    assert answer["entries"] == []
    assert answer["total"] == 10
    assert answer.get("data", []) == answer.get("user_tags", []) == []


@pytest.mark.parametrize("route", PAGED)
@pytest.mark.parametrize(
    "number", ["-1", "+1", "1.5", "x", "", " 1", "1 ", "0x1", "1e3", "²", "١", "9" * 19, "1" * 5000]
)
@pytest.mark.parametrize("name", ["limit", "page"])
def test_what_is_no_whole_number_is_refused_by_name(route: str, number: str, name: str) -> None:
    refusal = refused(route, **{name: number})
    assert (refusal.status, refusal.code) == (400, "malformed_parameter")
    assert refusal.extra == {"parameter": name}


@given(st.sampled_from(PAGED), st.integers(0, 40), st.integers(1, 12))
def test_pages_neither_overlap_nor_miss(route: str, count: int, limit: int) -> None:
    pages = [page_of(route, count, str(limit), str(page))["entries"] for page in range(1, count // limit + 3)]
    assert [entry for entries in pages for entry in entries] == list(range(count))
    assert pages[-1] == []


# List online users.


def test_list_online_answers_as_in_the_readme() -> None:
    listing = effect(Inspect, LIST_ONLINE, limit="1", page="1")
    assert listing.app_key == KEY
    assert listing.answer(
        crowd_of(["A:1"])
    ).body == b'{"app_key":"%b","total":1,"limit":1,"page":1,"user_tags":["A:1"]}' % (KEY.encode())


def test_the_total_of_those_online_counts_all_of_them_not_the_page() -> None:
    answer = page_of(LIST_ONLINE, 7, "2", "4")
    assert (answer["total"], answer["user_tags"]) == (7, ["000006"])


def test_any_tag_can_be_listed() -> None:
    tags = ["", '"', "\n", "é", "😀", "\x00", "</script>"]
    assert json.loads(effect(Inspect, LIST_ONLINE).answer(crowd_of(tags)).body)["user_tags"] == sorted(tags)
