"""The contract of `AppStore`, for every adapter: a new one adds its way of opening to `PLACES` and runs all of it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from pushery.core.apps import App, AppDraft, KeyPair
from pushery.core.appsettings import AppSettings, Webhook
from pushery.core.exchange import Refusal
from pushery.core.ports import AppStore, StorageError
from pushery.storage import open_app_store

Opener = Callable[[], AppStore]


def sqlite_place(directory: Path) -> Opener:
    return lambda: open_app_store(str(directory / "apps.sqlite"))


# From an empty directory to a function that opens the same registry each time.
PLACES: dict[str, Callable[[Path], Opener]] = {"sqlite": sqlite_place}


@pytest.fixture(params=sorted(PLACES))
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the registry, as often as one likes; each store stands for a process of its own."""
    place = PLACES[request.param](tmp_path)
    with ExitStack() as stores:

        def open_and_close_later() -> AppStore:
            store = place()
            stores.callback(store.close)
            return store

        yield open_and_close_later


@pytest.fixture
def store(reopen: Opener) -> AppStore:
    return reopen()


def draft(key: str, *, name: str = "shop", account: str = "admin", password: str = "pa55word") -> AppDraft:
    return AppDraft(
        key=key,
        secret=f"{key}-secret",
        name=name,
        auth_account=account,
        auth_password=password,
        request_ip="[2001:db8::1]:4711",
        registered_ms=1_700_000_000_123,
    )


def registered(asked: AppDraft, identity: str) -> App:
    return App(id=identity, **asdict(asked))


def test_a_new_registry_is_empty(store: AppStore) -> None:
    assert list(store.load()) == []


def test_an_app_is_what_was_asked_for_and_an_id_of_digits(store: AppStore) -> None:
    app = store.add(draft("a"))
    assert app == registered(draft("a"), app.id)
    assert app.id.isascii()
    assert app.id.isdigit()


def test_apps_come_in_order_of_registration_not_of_key_or_name(store: AppStore) -> None:
    apps = [store.add(draft(key, name=key * 2)) for key in ("m", "z", "a", "k")]
    assert list(store.load()) == apps
    assert [int(app.id) for app in apps] == sorted(int(app.id) for app in apps)


def test_apps_are_there_after_closing_and_opening(reopen: Opener, store: AppStore) -> None:
    apps = [store.add(draft(key)) for key in "ab"]
    store.close()
    assert list(reopen().load()) == apps


def test_one_name_may_have_two_apps(store: AppStore) -> None:
    first, second = store.add(draft("a", name="shop")), store.add(draft("b", name="shop"))
    assert first.id != second.id
    assert list(store.load()) == [first, second]


def test_one_key_has_one_app(store: AppStore) -> None:
    app = store.add(draft("a"))
    assert refused(lambda: store.add(draft("a", name="other"))) == (409, "key_taken")
    assert list(store.load()) == [app]


def test_a_removed_app_is_gone_for_good(reopen: Opener, store: AppStore) -> None:
    kept = [store.add(draft(key)) for key in "abc"].pop(1)
    assert store.remove("a")
    assert store.remove("c")
    assert list(store.load()) == [kept]
    assert list(reopen().load()) == [kept]


def test_removing_what_is_not_there_says_so(store: AppStore) -> None:
    store.add(draft("a"))
    assert not store.remove("A")
    assert not store.remove("%")
    assert store.remove("a")
    assert not store.remove("a")


def test_an_id_is_never_given_out_again(reopen: Opener, store: AppStore) -> None:
    first, last = store.add(draft("a")), store.add(draft("b"))
    store.remove("b")
    store.remove("a")
    store.close()
    again = reopen().add(draft("b"))
    assert int(again.id) > int(last.id) > int(first.id)


def test_a_hundred_kilobytes_and_any_alphabet_are_kept_exactly(store: AppStore) -> None:
    app = store.add(draft("a", name="名前🙂" * 15_000, account="Ünï'\";--\\", password="pässwört\0\n" * 10_000))
    assert list(store.load()) == [app]
    assert len(app.auth_password) == 100_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=3, max_size=3))
def test_every_text_comes_back_as_it_was(store: AppStore, texts: list[str]) -> None:
    name, account, password = texts
    app = store.add(draft("a", name=name, account=account, password=password))
    assert list(store.load()) == [app]
    store.remove("a")


@pytest.mark.parametrize("field", ["name", "account", "password"])
def test_half_a_character_is_refused_without_repeating_the_text(store: AppStore, field: str) -> None:
    with pytest.raises(StorageError, match="not valid Unicode") as caught:
        store.add(draft("a", **{field: "hunter2\ud800"}))
    assert "hunter2" not in str(caught.value)
    assert list(store.load()) == []


def test_the_revision_stays_while_nobody_writes(reopen: Opener, store: AppStore) -> None:
    other = reopen()
    before = store.revision()
    other.load()
    other.revision()
    assert store.revision() == before


def test_own_writes_are_no_news(store: AppStore) -> None:
    before = store.revision()
    store.add(draft("a"))
    assert store.revision() == before
    store.remove("a")
    assert store.revision() == before


def test_another_process_registering_or_unregistering_is_news(reopen: Opener, store: AppStore) -> None:
    other = reopen()
    seen = [store.revision()]
    other.add(draft("a"))
    seen.append(store.revision())
    other.remove("a")
    seen.append(store.revision())
    assert len(set(seen)) == 3


def test_others_are_heard_through_own_writes(reopen: Opener, store: AppStore) -> None:
    other = reopen()
    before = store.revision()
    store.add(draft("a"))
    other.add(draft("b"))
    store.add(draft("c"))
    assert store.revision() != before
    assert [app.key for app in store.load()] == ["a", "b", "c"]


def test_two_stores_see_each_others_apps(reopen: Opener, store: AppStore) -> None:
    other = reopen()
    mine, theirs = store.add(draft("a")), other.add(draft("b"))
    assert list(store.load()) == list(other.load()) == [mine, theirs]


# Ids that come from elsewhere.


def refused(add: Callable[[], App]) -> tuple[int, str]:
    """Why an app is not registered."""
    with pytest.raises(Refusal) as caught:
        add()
    return caught.value.status, caught.value.code


@pytest.mark.parametrize("given", ["app-id", "1234567", "007", "a" * 64, "_"])
def test_an_id_that_is_given_is_kept_through_changes_and_restarts(reopen: Opener, store: AppStore, given: str) -> None:
    app = store.add(draft("a"), given)
    assert app.id == given
    changed = store.change("a", lambda app: replace(app, name="new", keys=(*app.keys, KeyPair(key="b", secret="x"))))
    assert changed is not None
    assert changed.id == given
    store.close()
    assert list(reopen().load()) == [changed]


def test_an_id_has_one_app_whether_it_was_given_or_made(store: AppStore) -> None:
    made, given = store.add(draft("a")), store.add(draft("b"), "app-id")
    for taken in (made.id, given.id):
        assert refused(lambda taken=taken: store.add(draft("c"), taken)) == (409, "id_taken")  # type: ignore[misc]
    assert list(store.load()) == [made, given]


def test_an_id_that_is_made_is_none_that_was_given(store: AppStore) -> None:
    first = int(store.add(draft("a")).id)
    given = [store.add(draft(f"given-{ahead}"), str(first + ahead)).id for ahead in (1, 3, 5, 6, 7, 9)]
    made = [store.add(draft(f"made-{number}")).id for number in range(6)]
    assert set(made).isdisjoint(given)
    assert made == sorted(made, key=int)
    assert [app.id for app in store.load()] == [str(first), *given, *made]


def test_a_large_id_that_is_given_does_not_move_those_that_are_made(store: AppStore) -> None:
    store.add(draft("a"), "9" * 64)
    store.add(draft("b"), str(2**63 - 1))
    assert int(store.add(draft("c")).id) < 10


def test_an_id_and_a_key_that_were_given_are_free_again_when_the_app_is_removed(store: AppStore) -> None:
    store.add(draft("app-key"), "app-id")
    assert store.remove("app-key")
    again = store.add(draft("app-key", name="again"), "app-id")
    assert list(store.load()) == [again]


@pytest.mark.parametrize(("keys", "code"), [(["same", "same"], "key_taken"), (["one", "two"], "id_taken")])
def test_of_two_that_ask_for_the_same_at_once_one_gets_it(reopen: Opener, keys: list[str], code: str) -> None:
    stores, start = [reopen(), reopen()], threading.Barrier(2)
    came: list[str] = []

    def add(store: AppStore, key: str, number: int) -> None:
        start.wait()
        try:
            came.append(store.add(draft(f"{key}-{number}"), f"id-{number}").id)
        except Refusal as refusal:
            came.append(refusal.code)

    for number in range(20):
        pairs = zip(stores, keys, strict=True)
        threads = [threading.Thread(target=add, args=(store, key, number)) for store, key in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(came) == sorted([f"id-{number}", code])
        came.clear()
    assert len(stores[0].load()) == 20


# Changing an app.


SETTINGS = AppSettings(
    client_events=True,
    authorization_timeout=0.5,
    allowed_origins=("a.com", "*.b.com"),
    webhooks=(Webhook(url="https://a.com/hook", events=("channel_vacated",), headers={"X-Key": "名前"}),),
)


def with_settings(app: App, **changed: object) -> App:
    return replace(app, settings=replace(app.settings, **changed))


def test_a_new_app_has_one_key_and_default_settings(store: AppStore) -> None:
    app = store.add(draft("a"))
    assert app.keys == (KeyPair(key="a", secret="a-secret", created_ms=draft("a").registered_ms),)
    assert app.settings == AppSettings()


def test_a_change_is_there_after_closing_and_opening(reopen: Opener, store: AppStore) -> None:
    other = store.add(draft("b"))
    store.add(draft("a"))

    def edit(app: App) -> App:
        keys = (*app.keys, KeyPair(key="z", secret="z-secret", created_ms=9), KeyPair(key="c", secret="c-secret"))
        return replace(app, name="kiosk", auth_account="root", auth_password="new", settings=SETTINGS, keys=keys)

    changed = store.change("a", edit)
    assert changed is not None
    assert (changed.name, changed.auth_account, changed.auth_password) == ("kiosk", "root", "new")
    assert changed.settings == SETTINGS
    assert [pair.key for pair in changed.keys] == ["a", "z", "c"]
    store.close()
    assert list(reopen().load()) == [other, changed]


def test_keys_go_and_come_in_the_order_they_are_given(store: AppStore) -> None:
    app = store.add(draft("a"))
    first, second, third = app.keys[0], KeyPair(key="c", secret="2"), KeyPair(key="b", secret="3")
    for keys in ((first, second), (second,), (second, third), (third, first)):
        changed = store.change("a", lambda app, keys=keys: replace(app, keys=keys))  # type: ignore[misc]
        assert changed is not None
        assert changed.keys == keys
        assert list(store.load()) == [changed]


def test_changing_what_is_not_there_asks_nobody(store: AppStore) -> None:
    store.add(draft("a"))

    def edit(app: App) -> App:
        raise AssertionError

    assert store.change("A", edit) is None


class Objection(Exception):
    pass


def test_whatever_the_edit_raises_is_raised_and_nothing_has_changed(store: AppStore) -> None:
    app = store.add(draft("a"))

    def object_to(app: App) -> App:
        raise Objection

    with pytest.raises(Objection):
        store.change("a", object_to)
    assert list(store.load()) == [app]
    assert store.change("a", lambda app: replace(app, name="still works")) is not None


def test_what_an_app_is_called_does_not_change(store: AppStore) -> None:
    app = store.add(draft("a"))
    for changed in ({"id": "9"}, {"key": "b"}, {"secret": "x"}, {"request_ip": ""}, {"registered_ms": 0}):
        with pytest.raises(ValueError, match="stay as they are"):
            store.change("a", lambda app, changed=changed: replace(app, **changed))  # type: ignore[misc]
    assert list(store.load()) == [app]


def test_a_key_has_one_app_also_when_it_is_not_the_first(store: AppStore) -> None:
    one, two = store.add(draft("a")), store.add(draft("b"))
    pair = KeyPair(key="b", secret="x")
    with pytest.raises(StorageError, match="already holds an app with this key"):
        store.change("a", lambda app: replace(app, name="new", keys=(*app.keys, pair)))
    assert list(store.load()) == [one, two]
    store.change("a", lambda app: replace(app, keys=(*app.keys, KeyPair(key="c", secret="x"))))
    assert refused(lambda: store.add(draft("c"))) == (409, "key_taken")
    store.change("a", lambda app: replace(app, keys=app.keys[1:]))
    assert refused(lambda: store.add(draft("a"))) == (409, "key_taken")  # it is called so still
    assert len(store.load()) == 2


def test_a_removed_app_takes_its_keys_along(store: AppStore) -> None:
    store.add(draft("a"))
    store.change("a", lambda app: replace(app, keys=(*app.keys, KeyPair(key="c", secret="x"))))
    assert store.remove("a")
    assert store.add(draft("c")).keys[0].secret == "c-secret"
    assert len(store.load()) == 1


def test_half_a_character_in_a_setting_is_refused(store: AppStore) -> None:
    app = store.add(draft("a"))
    with pytest.raises(StorageError, match="not valid Unicode"):
        store.change("a", lambda app: with_settings(app, allowed_origins=("\ud800",)))
    assert list(store.load()) == [app]


def test_own_changes_are_no_news_and_those_of_others_are(reopen: Opener, store: AppStore) -> None:
    other = reopen()
    store.add(draft("a"))
    before = store.revision()
    store.change("a", lambda app: with_settings(app, enabled=False))
    assert store.revision() == before
    other.change("a", lambda app: with_settings(app, enabled=True))
    changed = store.revision()
    assert changed != before
    other.change("a", lambda app: app)
    assert store.revision() == changed


def test_of_changes_by_two_processes_none_is_lost(reopen: Opener, store: AppStore) -> None:
    start = store.add(draft("a")).settings.max_channels

    def count(store: AppStore) -> None:
        for _ in range(20):
            store.change("a", lambda app: with_settings(app, max_channels=app.settings.max_channels + 1))

    threads = [threading.Thread(target=count, args=(reopen(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [app] = store.load()
    assert app.settings.max_channels == start + 40
