"""Sessions: who gets one, what it opens, and when it ends."""

import itertools

import pytest
from msgspec.structs import replace

from pushery.console import visitors as module
from pushery.console.visitors import IDLE_S, Visitors
from pushery.core.apps import App, Directory
from pushery.core.basicauth import credentials


def app(number: int, account: str, password: str) -> App:
    return App(
        key=f"{number:032x}", secret="s", name="n", auth_account=account, auth_password=password, request_ip="",
        registered_ms=0, id=str(number),
    )  # fmt: skip


SHOP, BLOG, THIRD = app(1, "shop", "one"), app(2, "blog", "two"), app(3, "shop", "one")


@pytest.fixture
def directory() -> Directory:
    return Directory([SHOP, BLOG, THIRD])


@pytest.fixture
def visitors(directory: Directory) -> Visitors:
    count = itertools.count(1)
    return Visitors(credentials("admin", "secret"), directory, lambda: f"s{next(count)}")


def test_the_super_admin_sees_every_app(visitors: Visitors, directory: Directory) -> None:
    visitor = visitors.sign_in("admin", "secret", 0)
    assert visitor is not None
    assert visitors.is_operator(visitor)
    assert list(visitors.apps_of(visitor)) == list(directory.apps)


def test_an_apps_admin_sees_the_apps_with_these_very_credentials(visitors: Visitors) -> None:
    visitor = visitors.sign_in("shop", "one", 0)
    assert visitor is not None
    assert not visitors.is_operator(visitor)
    assert list(visitors.apps_of(visitor)) == [SHOP.key, THIRD.key]
    assert visitors.administers(visitor, SHOP)
    assert not visitors.administers(visitor, BLOG)


@pytest.mark.parametrize(
    ("account", "password"),
    [("admin", "wrong"), ("shop", "two"), ("", ""), ("admin", ""), ("", "secret"), ("admin:secret", ""), ("ä", "ö")],
)
def test_nobody_else_gets_a_session(visitors: Visitors, account: str, password: str) -> None:
    assert visitors.sign_in(account, password, 0) is None


def test_a_session_lasts_while_it_is_used_and_ends_with_signing_out(visitors: Visitors) -> None:
    visitor = visitors.sign_in("admin", "secret", 0)
    assert visitor is not None
    assert visitors.find(visitor.token, IDLE_S) is visitor
    assert visitors.find(visitor.token, 2 * IDLE_S) is visitor
    assert visitors.find(visitor.token, 3 * IDLE_S + 1) is None
    assert visitors.find(visitor.token, 2 * IDLE_S) is None
    again = visitors.sign_in("admin", "secret", 0)
    assert again is not None
    visitors.sign_out(again.token)
    assert visitors.find(again.token, 0) is None
    assert not visitors.lasts(again, 0)


def test_a_session_ends_by_itself_when_nothing_was_asked_for_too_long(visitors: Visitors) -> None:
    visitor = visitors.sign_in("admin", "secret", 0)
    assert visitor is not None
    assert visitors.find(visitor.token, 10) is visitor
    assert visitors.look(visitor.token, IDLE_S + 10) is visitor  # which is no request
    assert visitors.lasts(visitor, IDLE_S + 10)
    assert visitors.look(visitor.token, IDLE_S + 11) is None
    assert not visitors.lasts(visitor, IDLE_S + 11)
    assert visitors.find(visitor.token, IDLE_S + 11) is None


def test_a_session_ends_when_its_password_is_another_one(visitors: Visitors, directory: Directory) -> None:
    shop, operator = visitors.sign_in("shop", "one", 0), visitors.sign_in("admin", "secret", 0)
    assert shop is not None
    assert operator is not None
    directory.put(replace(SHOP, auth_password="new"))
    assert list(visitors.apps_of(shop)) == [THIRD.key]
    directory.drop(THIRD.key)
    assert visitors.look(shop.token, 0) is None
    assert visitors.find(shop.token, 0) is None
    visitors.super_admin = credentials("admin", "new")
    assert not visitors.is_operator(operator)
    assert visitors.find(operator.token, 0) is None


def test_sessions_are_bounded_and_the_one_idle_for_longest_goes(
    visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    first, second = (visitors.sign_in("admin", "secret", 0) for _ in range(2))
    assert first is not None
    assert second is not None
    visitors.find(first.token, 1)
    assert visitors.sign_in("admin", "secret", 2) is not None
    assert visitors.lasts(first, 2)
    assert not visitors.lasts(second, 2)


def test_of_one_account_only_so_many_sessions_are_kept(visitors: Visitors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OF_ONE", 2)
    operator = visitors.sign_in("admin", "secret", 0)
    first, *_, last = (visitors.sign_in("shop", "one", 0) for _ in range(4))
    assert operator is not None
    assert first is not None
    assert last is not None
    assert [visitors.lasts(each, 0) for each in (operator, first, last)] == [True, False, True]


def test_whoever_administers_one_of_many_apps_is_not_compared_with_all_of_them_again(
    visitors: Visitors, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = visitors.sign_in("blog", "two", 0)
    assert visitor is not None
    compared: list[App] = []
    is_admin = module._is_admin

    def counted(proof: bytes, app: App) -> bool:
        compared.append(app)
        return is_admin(proof, app)

    monkeypatch.setattr(module, "_is_admin", counted)
    assert visitors.find(visitor.token, 1) is visitor
    assert visitors.look(visitor.token, 1) is visitor
    assert compared == [BLOG, BLOG]
    directory.put(replace(SHOP, auth_account="blog", auth_password="two"))
    directory.drop(BLOG.key)
    assert visitors.find(visitor.token, 2) is visitor
    directory.drop(SHOP.key)
    assert visitors.find(visitor.token, 3) is None
