"""The oracle itself: what it must find fault with, and what it must not."""

from collections.abc import Callable

from soak.model import Clock, Group, Ledger, Member, Publication


class Client:
    """Somebody to complain to."""

    def __init__(self, name: str = "ann") -> None:
        self.name = name
        self.complaints: list[str] = []

    def violated(self, what: str) -> None:
        self.complaints.append(what)


class Bench:
    """An app with a channel, and the moves that a test makes."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ledger = Ledger("shop", self.clock, {})
        self.group: Group = self.ledger.channel("room")
        self.client = Client()

    def member(self, client: Client | None = None, *, joined: bool = True) -> Member:
        member = self.ledger.join(self.group, client or self.client, "room")
        if joined:
            member.joined = self.clock.tick()
        return member

    def send(self, source: object = None, without: object = None) -> Publication:
        tick = self.clock.tick()
        wants: Callable[[Member], bool] = lambda member: True  # noqa: E731
        publication = Publication(tick, tick, source, "event", f"{tick} x", wants)
        publication.without = without
        self.ledger.publish(publication, [self.group])
        return publication

    def answer(self, publication: Publication, total: int | None = None) -> None:
        self.ledger.answered(publication, total, self.client)

    def sent(self, total: int | None = None) -> Publication:
        publication = self.send()
        self.answer(publication, total)
        return publication


def test_what_arrives_once_and_in_order_is_fine() -> None:
    bench = Bench()
    member = bench.member()
    for publication in (bench.sent(1), bench.sent(1)):
        member.receive(publication)
    member.end()
    assert bench.client.complaints == []


def test_what_was_answered_between_joining_and_leaving_must_arrive() -> None:
    bench = Bench()
    member = bench.member()
    bench.sent()
    member.leaving = bench.clock.tick()
    member.end()
    assert "never got" in bench.client.complaints[0]


def test_what_was_under_way_while_joining_or_leaving_may_be_missed() -> None:
    bench = Bench()
    before = bench.send()
    member = bench.member(joined=False)
    during = bench.send()
    member.joined = bench.clock.tick()
    bench.answer(before)
    bench.answer(during)
    last = bench.send()
    member.leaving = bench.clock.tick()
    bench.answer(last)
    member.end()
    assert bench.client.complaints == []


def test_what_was_under_way_while_joining_may_arrive() -> None:
    bench = Bench()
    before = bench.send()
    member = bench.member(joined=False)
    member.joined = bench.clock.tick()
    bench.answer(before, 1)
    member.receive(before)
    assert bench.client.complaints == []


def test_what_was_answered_before_joining_was_asked_for_must_not_arrive() -> None:
    bench = Bench()
    before = bench.sent()
    bench.member().receive(before)
    assert "only after that was answered" in bench.client.complaints[0]


def test_nothing_arrives_twice() -> None:
    bench = Bench()
    member, publication = bench.member(), bench.sent()
    member.receive(publication)
    member.receive(publication)
    assert "twice" in bench.client.complaints[0]


def test_a_later_one_shows_that_an_earlier_one_is_missing() -> None:
    bench = Bench()
    member = bench.member()
    bench.sent()
    member.receive(bench.sent())
    assert "which was published before" in bench.client.complaints[0]


def test_requests_of_one_connection_are_in_order_though_none_is_answered() -> None:
    bench, line = Bench(), object()
    member = bench.member()
    bench.send(line)
    member.receive(bench.send(line))
    assert "which was published before" in bench.client.complaints[0]


def test_an_earlier_one_that_may_be_missed_must_not_come_late() -> None:
    bench = Bench()
    early = bench.send()
    member = bench.member()
    bench.answer(early)
    member.receive(bench.sent())
    member.receive(early)
    assert "published later" in bench.client.complaints[0]


def test_two_that_were_under_way_together_have_one_order_for_all() -> None:
    bench, other = Bench(), Client("bob")
    ann, bob = bench.member(), bench.member(other)
    one, two = bench.send(), bench.send()
    ann.receive(one)
    ann.receive(two)
    bob.receive(two)
    assert other.complaints == []
    bob.receive(one)
    assert "the other way round" in other.complaints[0]


def test_who_is_left_out_must_not_get_it() -> None:
    bench = Bench()
    member = bench.member()
    publication = bench.send(without=bench.client)
    bench.answer(publication, 0)
    member.receive(publication)
    assert "left out" in bench.client.complaints[0]


def test_a_total_has_to_be_what_arrives() -> None:
    bench = Bench()
    member = bench.member()
    member.receive(bench.sent(2))
    assert "a total of 2, but reached 1" in bench.client.complaints[0]


def test_of_who_vanished_nobody_can_say_whether_it_was_counted() -> None:
    for total in (0, 1):
        bench = Bench()
        member = bench.member()
        publication = bench.sent(total)
        member.vanish(1)
        assert publication.open == 0
        assert bench.client.complaints == []


def test_a_pong_settles_what_was_answered_before_its_ping() -> None:
    bench = Bench()
    member = bench.member()
    bench.sent()
    late = bench.send()
    member.settle(bench.clock.tick())
    assert len(bench.client.complaints) == 1
    assert list(member.owed) == [late]


def test_what_was_refused_must_not_arrive() -> None:
    bench = Bench()
    member, publication = bench.member(), bench.send()
    bench.ledger.refused(publication)
    member.receive(publication)
    assert "refused" in bench.client.complaints[0]


def test_a_cache_channel_gives_the_newest_it_was_answered_for() -> None:
    bench = Bench()
    old, new = bench.sent(), bench.sent()
    bench.member().replayed(new)
    assert bench.client.complaints == []
    bench.member().replayed(old)
    assert "came later" in bench.client.complaints[0]


def test_a_cache_channel_that_keeps_something_must_not_tell_of_a_miss() -> None:
    bench = Bench()
    bench.member().missed()
    assert bench.client.complaints == []
    bench.sent()
    bench.member().missed()
    assert "cache miss" in bench.client.complaints[0]


def test_what_was_replayed_does_not_come_again() -> None:
    bench = Bench()
    publication = bench.send()
    member = bench.member()
    member.replayed(publication)
    bench.answer(publication, 0)
    assert bench.client.complaints == []
    member.receive(publication)
    assert "twice" in bench.client.complaints[0]
