import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pushery.core.audience import Audience, size
from pushery.core.hub import Crowd, Hub
from pushery.core.patterns import PatternError

from .grammar import complaint, patterns, selected

TAGS = ["A:1", "A:10", "B:1", "A:1\nB:1", "é"]


def ignore(_: bytes) -> None:
    """A way to a subscriber that nobody takes."""


def members(crowd: Crowd, pattern: str | None) -> list[object]:
    """Who gets what is pushed to `pattern`."""
    return [subscriber for audience in crowd.select(pattern) for subscriber in audience]


class AgainstADictionary(RuleBasedStateMachine):
    """A hub beside a dictionary from app and subscriber to tag and inbox."""

    @initialize()
    def begin(self) -> None:
        self.hub = Hub(fanout_slice=1000, standing_patterns=2)
        self.online: dict[str, dict[int, tuple[str, list[bytes]]]] = {"one": {}, "two": {}}
        self.came = 0
        self.pushed = 0

    @rule(app=st.sampled_from(["one", "two"]), tag=st.sampled_from(TAGS))
    def join(self, app: str, tag: str) -> None:
        self.came += 1
        inbox: list[bytes] = []
        self.hub.crowd(app).join(tag, self.came, inbox.append)
        self.online[app][self.came] = (tag, inbox)

    @precondition(lambda self: any(self.online.values()))
    @rule(data=st.data(), times=st.integers(1, 2))
    def leave(self, data: st.DataObject, times: int) -> None:
        app, subscriber = self.somebody(data)
        tag, _ = self.online[app].pop(subscriber)
        for _ in range(times):
            self.hub.crowd(app).leave(tag, subscriber)
        self.hub.crowd(app).redirect(tag, subscriber, ignore)

    @precondition(lambda self: any(self.online.values()))
    @rule(data=st.data())
    def redirect(self, data: st.DataObject) -> None:
        app, subscriber = self.somebody(data)
        tag, _ = self.online[app][subscriber]
        inbox: list[bytes] = []
        self.hub.crowd(app).redirect(tag, subscriber, inbox.append)
        self.online[app][subscriber] = (tag, inbox)

    def somebody(self, data: st.DataObject) -> tuple[str, int]:
        return data.draw(st.sampled_from([(app, number) for app, crowd in self.online.items() for number in crowd]))

    @rule(app=st.sampled_from(["one", "two"]), pattern=st.none() | st.sampled_from(["A:1", "^A:1$", "1$"]) | patterns)
    def push(self, app: str, pattern: str | None) -> None:
        crowd = self.hub.crowd(app)
        if pattern is not None and complaint(pattern) is not None:
            with pytest.raises(PatternError):
                crowd.select(pattern)
            return
        frame = b"%d" % self.pushed
        self.pushed += 1
        total = crowd.fanout.publish(frame, crowd.select(pattern))
        wanted = set(TAGS) if pattern is None else selected(pattern, TAGS)
        got = {number for online in self.online.values() for number, (_, inbox) in online.items() if frame in inbox}
        assert got == {number for number, (tag, _) in self.online[app].items() if tag in wanted}
        assert total == len(got)

    @rule(app=st.sampled_from(["one", "two"]))
    def drop(self, app: str) -> None:
        assert self.hub.drop(app) == list(self.online[app])
        self.online[app].clear()

    @invariant()
    def all_are_counted_once(self) -> None:
        for app, online in self.online.items():
            crowd = self.hub.crowd(app)
            assert list(crowd.everyone) == list(online)
            assert size(crowd.tags.audiences.values()) == len(online)
            assert crowd.tags.names() == sorted({tag for tag, _ in online.values()})


TestAgainstADictionary = AgainstADictionary.TestCase


def test_no_pattern_is_everybody_and_a_pattern_is_whoever_it_matches() -> None:
    crowd = Hub(fanout_slice=10, standing_patterns=10).crowd("key")
    for number, tag in enumerate(("A:1", "A:10", "A:1", "B:1")):
        crowd.join(tag, number, ignore)
    assert members(crowd, None) == [0, 1, 2, 3]
    assert sorted(map(str, members(crowd, "A:1"))) == ["0", "1", "2"]
    assert members(crowd, "^A:1$") == [0, 2]
    assert members(crowd, "C") == []


def test_apps_do_not_hear_each_other() -> None:
    hub = Hub(fanout_slice=10, standing_patterns=10)
    hub.crowd("one").join("A:1", "somebody", ignore)
    assert members(hub.crowd("two"), None) == []
    assert members(hub.crowd("two"), "A:1") == []


def test_a_crowd_stays_the_same_until_it_is_dropped() -> None:
    hub = Hub(fanout_slice=10, standing_patterns=10)
    crowd = hub.crowd("key")
    assert hub.crowd("key") is crowd
    crowd.join("A:1", "somebody", ignore)
    assert hub.drop("key") == ["somebody"]
    assert hub.crowds == {}
    assert hub.drop("key") == []
    assert hub.crowd("key").everyone == {}


def test_redirecting_reaches_a_client_by_its_new_way_under_its_tag_and_among_all() -> None:
    crowd = Hub(fanout_slice=10, standing_patterns=10).crowd("key")
    transport: list[bytes] = []
    outbox: list[bytes] = []
    crowd.join("A:1", "somebody", transport.append)
    crowd.fanout.publish(b"1", crowd.select("A"))
    crowd.redirect("A:1", "somebody", outbox.append)
    crowd.fanout.publish(b"2", crowd.select("A"))
    crowd.fanout.publish(b"3", crowd.select("^A:1$"))
    crowd.fanout.publish(b"4", crowd.select(None))
    assert (transport, outbox) == ([b"1"], [b"2", b"3", b"4"])


def test_redirecting_who_has_left_brings_nobody_back() -> None:
    crowd = Hub(fanout_slice=10, standing_patterns=10).crowd("key")
    crowd.join("A:1", "somebody", ignore)
    crowd.leave("A:1", "somebody")
    crowd.leave("A:1", "somebody")
    crowd.redirect("A:1", "somebody", ignore)
    assert crowd.everyone == {}
    assert crowd.tags.audiences == {}


def test_every_crowd_writes_in_slices_of_the_hubs_size() -> None:
    hub = Hub(fanout_slice=7, standing_patterns=10)
    assert hub.crowd("key").fanout.slice_size == 7


def test_an_audience_selected_earlier_shows_who_is_there_now() -> None:
    crowd = Hub(fanout_slice=10, standing_patterns=10).crowd("key")
    crowd.join("A:1", 1, ignore)
    crowd.join("A:1", 2, ignore)
    audiences: list[Audience] = list(crowd.select("A:1"))
    crowd.leave("A:1", 1)
    assert size(audiences) == 1
