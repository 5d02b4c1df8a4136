"""The outbox of webhooks: what was written is there, in order, and only what was asked for leaves."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine

from pushery.core.hookevents import Place
from pushery.core.ports import StorageError
from pushery.storage.hookoutbox import (
    Changes,
    Failure,
    HookOutbox,
    NewEvent,
    has_hook_outbox,
    open_hook_outbox,
    outbox_path,
)
from pushery.storage.hookschema import metadata


@pytest.fixture
def sqldir(tmp_path: Path) -> str:
    return str(tmp_path / "apps.sqlite")


@pytest.fixture
def outbox(sqldir: str) -> Iterator[HookOutbox]:
    with closing(open_hook_outbox(sqldir)) as opened:
        yield opened


def event(number: int, app_key: str = "k", url: str = "http://u") -> NewEvent:
    return NewEvent(app_key, url, "lane", number, b'{"n":%d}' % number)


def bury(outbox: HookOutbox, *numbers: int, app_key: str = "k", died_ms: int = 100) -> list[int]:
    ids = outbox.write(Changes(new=[event(number, app_key) for number in numbers]))
    outbox.write(Changes(dead=[Failure(event_id, 3, "HTTP 500") for event_id in ids], died_ms=died_ms))
    return ids


def test_it_is_a_private_file_of_its_own_beside_the_registry(sqldir: str) -> None:
    assert not has_hook_outbox(sqldir)
    open_hook_outbox(sqldir).close()
    assert has_hook_outbox(sqldir)
    assert Path(outbox_path(sqldir)).stat().st_mode & 0o777 == 0o600
    assert not Path(sqldir).exists()


def test_the_tables_are_what_the_newest_migration_leaves(sqldir: str, outbox: HookOutbox) -> None:
    engine = create_engine(f"sqlite:///{outbox_path(sqldir)}")
    found = MetaData()
    found.reflect(engine)
    engine.dispose()
    for table in metadata.tables.values():
        there = found.tables[table.name]
        assert [(column.name, column.nullable) for column in there.c] == [(c.name, c.nullable) for c in table.c]
        assert {index.name for index in there.indexes} == {index.name for index in table.indexes}


def test_what_was_written_waits_in_order_also_after_the_next_start(sqldir: str) -> None:
    with closing(open_hook_outbox(sqldir)) as first:
        ids = first.write(Changes(new=[event(number) for number in range(1500)]))
        assert ids == sorted(set(ids))
        first.write(Changes(gone=ids[:1400], failed=[Failure(ids[1400], 2, "HTTP 503")]))
    with closing(open_hook_outbox(sqldir)) as second:
        waiting = second.waiting()
        assert [row.id for row in waiting] == ids[1400:]
        assert (waiting[0].attempts, waiting[0].error, waiting[1].attempts) == (2, "HTTP 503", 0)
        assert second.ids() == set(ids[1400:])
        assert second.events(ids) == {
            one: (number + 1400, b'{"n":%d}' % (number + 1400)) for number, one in enumerate(ids[1400:])
        }
        assert [row.id for row in second.waiting(above=ids[1450], limit=2)] == ids[1451:1453]
        assert second.waiting("other") == []


def test_a_number_is_never_given_twice(outbox: HookOutbox) -> None:
    ids = outbox.write(Changes(new=[event(1), event(2)]))
    outbox.write(Changes(gone=ids))
    assert outbox.write(Changes(new=[event(3)]))[0] > max(ids)


def test_places_are_remembered_until_they_are_told_to_be_free(outbox: HookOutbox) -> None:
    places = [Place("k", "a"), Place("k", "a", "u"), Place("k", "a", ""), Place("k2", "a")]
    outbox.write(Changes(taken=dict.fromkeys(places, True)))
    outbox.write(Changes(taken={places[0]: True, places[1]: False, Place("k", "never"): False}))
    assert set(outbox.taken()) == {places[0], places[2], places[3]}


def test_dead_letters_keep_what_they_said_and_why_they_died(outbox: HookOutbox) -> None:
    first, second = bury(outbox, 1, 2)
    assert outbox.ids() == set()
    letter = outbox.dead_letters("k")[0]
    assert letter == (first, "k", "http://u", 1, b'{"n":1}', 3, "HTTP 500", 100)
    assert [one.id for one in outbox.dead_letters("k", after=first)] == [second]
    assert len(outbox.dead_letters("k", limit=1)) == 1
    assert outbox.dead_letters("other") == []


def test_replayed_letters_go_to_the_end_of_the_queue_as_new(outbox: HookOutbox) -> None:
    ids = bury(outbox, 1, 2, 3)
    bury(outbox, 4, app_key="other")
    (waiting,) = outbox.write(Changes(new=[event(5)]))
    assert outbox.replay("k", [ids[2], ids[0], 999], 7_000) == 2
    assert [(row.created_ms, row.attempts, row.error) for row in outbox.waiting()] == [
        (5, 0, ""), (7_000, 0, ""), (7_000, 0, ""),
    ]  # fmt: skip
    said = outbox.events(row.id for row in outbox.waiting(above=waiting))
    assert [one[1] for one in said.values()] == [b'{"n":1}', b'{"n":3}']
    assert [letter.id for letter in outbox.dead_letters("k")] == [ids[1]]
    assert outbox.replay("k", None, 8_000) == 1
    assert outbox.replay("k", None, 8_000) == 0
    assert len(outbox.dead_letters("other")) == 1


def test_only_an_apps_own_are_dropped(outbox: HookOutbox) -> None:
    mine, theirs = bury(outbox, 1, 2), bury(outbox, 3, app_key="other")
    assert outbox.drop_dead("k", [mine[0], theirs[0]]) == 1
    assert outbox.drop_dead("k", None) == 1
    assert len(outbox.dead_letters("other")) == 1
    outbox.write(Changes(new=[event(1), event(2, "other")]))
    assert outbox.drop_waiting("k", None) == 1
    assert [row.app_key for row in outbox.waiting()] == ["other"]


def test_of_an_app_that_is_forgotten_nothing_is_left(outbox: HookOutbox) -> None:
    for app_key in ("k", "other"):
        bury(outbox, 1, app_key=app_key)
        outbox.write(Changes(new=[event(2, app_key)], taken={Place(app_key, "a"): True}))
    assert outbox.apps() == {"k", "other"}
    outbox.write(Changes(forgotten={"k"}))
    assert outbox.apps() == {"other"}
    assert (len(outbox.waiting()), len(outbox.taken()), len(outbox.dead_letters("other"))) == (1, 1, 1)


def test_old_dead_letters_and_those_past_the_bound_are_deleted(outbox: HookOutbox) -> None:
    bury(outbox, 1, died_ms=5)
    kept = bury(outbox, 2, 3, 4, died_ms=50)[1:]
    bury(outbox, 5, app_key="other", died_ms=50)
    assert outbox.prune(2, 10) == 2
    assert [letter.id for letter in outbox.dead_letters("k")] == kept
    assert len(outbox.dead_letters("other")) == 1
    assert outbox.prune(2, 10) == 0


def test_a_transaction_that_fails_changes_nothing(outbox: HookOutbox) -> None:
    ids = outbox.write(Changes(new=[event(1)]))
    bad = NewEvent("k", "http://\ud800", "lane", 1, b"{}")
    with pytest.raises(StorageError):
        outbox.write(Changes(gone=ids, new=[event(2), bad], taken={Place("k", "a"): True}))
    assert [row.id for row in outbox.waiting()] == ids
    assert outbox.taken() == []


def test_the_revision_tells_what_others_have_written_only(sqldir: str, outbox: HookOutbox) -> None:
    before = outbox.revision()
    outbox.write(Changes(new=[event(1)]))
    assert outbox.revision() == before
    with closing(open_hook_outbox(sqldir)) as other:
        other.write(Changes(new=[event(2)]))
    assert outbox.revision() != before


def test_a_newer_outbox_is_refused(sqldir: str) -> None:
    open_hook_outbox(sqldir).close()
    with closing(sqlite3.connect(outbox_path(sqldir), isolation_level=None)) as connection:
        connection.execute("UPDATE pushery_meta SET schema_version = 99")
    with pytest.raises(StorageError, match="newer Pushery"):
        open_hook_outbox(sqldir)


def test_nothing_to_write_is_nothing() -> None:
    assert not Changes(died_ms=5)
    assert Changes(gone=[1])
