"""Apps, and the ways to find them."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.apps import App, Directory, KeyPair


def app(number: int, *extra: str, drop_first: bool = False) -> App:
    """An app called "key-N", with further keys, or with them alone."""
    first = App(
        id=str(number),
        key=f"key-{number}",
        secret=f"secret-{number}",
        name="test",
        auth_account="a",
        auth_password="b",
        request_ip="127.0.0.1:1",
        registered_ms=number,
    )
    pairs = tuple(KeyPair(key=key, secret=f"secret of {key}") for key in extra)
    return msgspec.structs.replace(first, keys=pairs if drop_first else (*first.keys, *pairs))


def test_a_new_app_has_the_key_it_was_registered_with() -> None:
    assert app(1).keys == (KeyPair(key="key-1", secret="secret-1", created_ms=1),)
    assert app(1).secret_of("key-1") == "secret-1"
    assert app(1).secret_of("other") is None
    assert app(1).secret_of("") is None


def test_while_keys_are_rotated_both_are_valid_then_the_new_one_alone() -> None:
    both, rotated = app(1, "new"), app(1, "new", drop_first=True)
    assert (both.secret_of("key-1"), both.secret_of("new")) == ("secret-1", "secret of new")
    assert (rotated.secret_of("key-1"), rotated.secret_of("new")) == (None, "secret of new")
    assert rotated.key == "key-1"


def test_an_app_is_found_by_name_by_id_and_by_every_valid_key() -> None:
    first, second = app(1), app(2, "new")
    directory = Directory([first, second])
    assert list(directory.apps.items()) == [("key-1", first), ("key-2", second)]
    assert dict(directory.by_id) == {"1": first, "2": second}
    assert dict(directory.by_key) == {"key-1": first, "key-2": second, "new": second}


def test_a_change_is_seen_by_who_holds_the_views_and_old_keys_end() -> None:
    directory = Directory([app(1), app(2)])
    apps, by_id, by_key = directory.apps, directory.by_id, directory.by_key
    changed = app(1, "new", drop_first=True)
    directory.put(changed)
    assert apps["key-1"] is by_id["1"] is by_key["new"] is changed
    assert "key-1" not in by_key
    assert list(apps) == ["key-1", "key-2"]


def test_another_app_behind_the_same_key_leaves_nothing_of_the_one_before() -> None:
    directory = Directory([app(1, "new"), app(2)])
    another = msgspec.structs.replace(app(1), id="app-id")
    directory.put(another)
    assert dict(directory.by_id) == {"app-id": another, "2": app(2)}
    assert list(directory.by_key) == ["key-2", "key-1"]


def test_an_id_and_a_key_that_another_app_has_by_now_stay_with_that_one() -> None:
    directory = Directory([app(1, "new")])
    another = msgspec.structs.replace(app(2, "new"), id="1")
    directory.put(another)
    assert directory.drop("key-1")
    assert dict(directory.by_id) == {"1": another}
    assert dict(directory.by_key) == {"key-2": another, "new": another}


def test_a_dropped_app_is_gone_from_everywhere() -> None:
    directory = Directory([app(1, "new"), app(2)])
    assert directory.drop("key-1")
    assert not directory.drop("key-1")
    assert not directory.drop("new")
    assert list(directory.apps) == ["key-2"]
    assert list(directory.by_id) == ["2"]
    assert list(directory.by_key) == ["key-2"]


@given(st.lists(st.tuples(st.integers(1, 4), st.sets(st.sampled_from("abc")), st.booleans(), st.booleans())))
def test_the_views_agree_whatever_comes_and_goes(steps: list[tuple[int, set[str], bool, bool]]) -> None:
    directory = Directory()
    there: dict[str, App] = {}
    for number, names, drop_first, drops in steps:
        if drops:
            assert directory.drop(f"key-{number}") == (there.pop(f"key-{number}", None) is not None)
            continue
        extra = sorted(f"{name}-{number}" for name in names)
        there[f"key-{number}"] = app(number, *extra, drop_first=drop_first and bool(extra))
        directory.put(there[f"key-{number}"])
    assert dict(directory.apps) == there
    assert dict(directory.by_id) == {one.id: one for one in there.values()}
    assert dict(directory.by_key) == {pair.key: one for one in there.values() for pair in one.keys}
