"""Who is signed in, and who watches whom."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pushery.core.users import Users

IDS = st.sampled_from(["a", "b", "c"])
SOCKETS = st.integers(0, 4)


def test_a_user_is_online_from_the_first_socket_to_the_last() -> None:
    users, one, two = Users(), object(), object()
    assert users.sign_in("u", one)
    assert not users.sign_in("u", two)
    assert "u" in users
    assert list(users.sockets("u")) == [one, two]
    assert not users.sign_out("u", one)
    assert users.sign_out("u", two)
    assert "u" not in users
    assert not list(users.sockets("u"))
    assert len(users) == 0


def test_signing_in_once_more_is_not_coming_online() -> None:
    users, socket = Users(), object()
    assert users.sign_in("u", socket)
    assert not users.sign_in("u", socket)
    assert users.sign_out("u", socket)


def test_signing_out_who_is_not_signed_in_changes_nothing() -> None:
    users, socket = Users(), object()
    assert not users.sign_out("u", socket)
    users.sign_in("u", socket)
    assert not users.sign_out("u", object())
    assert not users.sign_out("v", socket)
    assert "u" in users


def test_who_watches_is_found_by_whom_it_watches() -> None:
    users, one, two = Users(), object(), object()
    users.watch(one, ("a", "b"))
    users.watch(two, ("b",))
    assert list(users.watchers("a")) == [one]
    assert list(users.watchers("b")) == [one, two]
    assert not list(users.watchers("c"))
    users.unwatch(one, ("a", "b", "never watched"))
    assert not list(users.watchers("a"))
    assert list(users.watchers("b")) == [two]


class AgainstSets(RuleBasedStateMachine):
    """Users beside sets of pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.users = Users()
        self.signed_in: set[tuple[str, int]] = set()
        self.watching: set[tuple[str, int]] = set()

    @rule(user_id=IDS, socket=SOCKETS)
    def sign_in(self, user_id: str, socket: int) -> None:
        is_first = all(who != user_id for who, _ in self.signed_in)
        assert self.users.sign_in(user_id, socket) == is_first
        self.signed_in.add((user_id, socket))

    @rule(user_id=IDS, socket=SOCKETS)
    def sign_out(self, user_id: str, socket: int) -> None:
        was_in = (user_id, socket) in self.signed_in
        self.signed_in.discard((user_id, socket))
        is_last = was_in and all(who != user_id for who, _ in self.signed_in)
        assert self.users.sign_out(user_id, socket) == is_last

    @rule(user_ids=st.lists(IDS), socket=SOCKETS)
    def watch(self, user_ids: list[str], socket: int) -> None:
        self.users.watch(socket, user_ids)
        self.watching |= {(user_id, socket) for user_id in user_ids}

    @rule(user_ids=st.lists(IDS), socket=SOCKETS)
    def unwatch(self, user_ids: list[str], socket: int) -> None:
        self.users.unwatch(socket, user_ids)
        self.watching -= {(user_id, socket) for user_id in user_ids}

    @invariant()
    def they_agree(self) -> None:
        for user_id in ("a", "b", "c"):
            assert set(self.users.sockets(user_id)) == {socket for who, socket in self.signed_in if who == user_id}
            assert set(self.users.watchers(user_id)) == {socket for who, socket in self.watching if who == user_id}
            assert (user_id in self.users) == any(who == user_id for who, _ in self.signed_in)

    @invariant()
    def nothing_is_kept_of_who_has_gone(self) -> None:
        assert len(self.users) == len({who for who, _ in self.signed_in})
        assert len(self.users._watchers) == len({who for who, _ in self.watching})


def test_users_are_what_sets_of_pairs_say() -> None:
    run_state_machine_as_test(AgainstSets, settings=settings(max_examples=50))
