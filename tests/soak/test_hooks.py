"""The backend of the webhooks: what it must find fault with, and what it must not."""

import json

import pytest

from soak.backend import mac
from soak.hooks import HookLog
from soak.model import Clock, Ledger, Publication
from soak.transports import Address
from soak.world import App, World


@pytest.fixture
def world() -> World:
    return World(Address("127.0.0.1", 0), 1)


@pytest.fixture
def log(world: World) -> HookLog:
    log = HookLog(world)
    ledger = Ledger("shop", Clock(), {})
    log.belongs_to(App("shop", "key", "1", "secret", ("a", "b"), False, True, ledger))
    return log


def tell(log: HookLog, *events: dict[str, object], secret: str = "secret") -> None:
    body = json.dumps({"time_ms": 1, "events": events})
    log.take({"x-pusher-signature": mac(secret, body)}, body.encode())


def relayed(log: HookLog, number: int) -> Publication:
    publication = Publication(number, number, None, "client event", f"{number} x", lambda member: True)
    publication.answered = number + 1
    log.relayed(publication)
    return publication


def told(number: int) -> dict[str, object]:
    return {"name": "client_event", "channel": "private-a", "event": "e", "data": f"{number} x", "socket_id": "1.2"}


def test_all_that_begins_and_ends_is_fine(world: World, log: HookLog) -> None:
    log.greeted("1.2")
    relayed(log, 1)
    tell(log, {"name": "connected", "socket_id": "1.2"}, {"name": "channel_occupied", "channel": "private-a"}, told(1))
    tell(log, {"name": "channel_vacated", "channel": "private-a"}, {"name": "disconnected", "socket_id": "1.2"})
    log.check_all_gone()
    assert world.violation == ""


@pytest.mark.parametrize(
    "events",
    [
        [{"name": "channel_vacated", "channel": "a"}],
        [{"name": "channel_occupied", "channel": "a"}] * 2,
        [{"name": "member_removed", "channel": "presence-a", "user_id": "u"}],
        [{"name": "disconnected", "socket_id": "1.2"}],
        [{"name": "connected", "socket_id": "1.2"}] * 2,
        [told(9)],
    ],
)
def test_what_comes_twice_or_out_of_order_is_found(world: World, log: HookLog, events: list[dict[str, object]]) -> None:
    tell(log, *events)
    assert "webhook: " in world.violation


def test_client_events_of_one_socket_come_in_order(world: World, log: HookLog) -> None:
    relayed(log, 1)
    relayed(log, 2)
    tell(log, told(2), told(1))
    assert "sent later" in world.violation


@pytest.mark.parametrize("name", ["channel_occupied", "connected"])
def test_what_has_no_end_is_found_in_the_end(world: World, log: HookLog, name: str) -> None:
    tell(log, {"name": name, "channel": "a", "socket_id": "1.2"})
    assert world.violation == ""
    log.check_all_gone()
    assert "never told" in world.violation


def test_a_client_event_that_was_not_told_is_found_in_the_end(world: World, log: HookLog) -> None:
    relayed(log, 1).definite = False
    log.check_all_gone()
    assert world.violation == ""
    relayed(log, 2)
    log.check_all_gone()
    assert "never told of #2" in world.violation


def test_a_socket_that_was_not_told_is_found_in_the_end(world: World, log: HookLog) -> None:
    log.greeted("1.2")
    log.check_all_gone()
    assert "1.2 connected" in world.violation


def test_a_wrong_signature_is_found(world: World, log: HookLog) -> None:
    tell(log, {"name": "channel_occupied", "channel": "a"}, secret="another")
    assert "not signed" in world.violation
