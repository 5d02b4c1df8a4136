"""Channels of a node beside a naive model: who is to get what, and who is present."""

import asyncio
import json
import re
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pushery.core.effects import PublishEvent
from pushery.core.exchange import Reply
from pushery.core.publications import ChannelEvent
from tests.node.fakes import turns
from tests.node.talkers import KEY, FakeTimeLoop, Talker, a_world, publication

NAMES = ("news", "private-a", "presence-a", "presence-cache-b", "cache-c", "private-encrypted-d")
USERS = ("u", "v", 7)
SUCCEEDED = "pusher_internal:subscription_succeeded"
SETTLED = 60
"""Turns of the loop after which everything has arrived."""

Event = tuple[str, object]


class AgainstAModel(RuleBasedStateMachine):
    """One node with some clients, a few of which are slow: they keep asking to be written to in another way."""

    @initialize(fanout_slice=st.sampled_from([1, 2, 1000]), counts=st.booleans())
    def begin(self, fanout_slice: int, counts: bool) -> None:
        self.loop = FakeTimeLoop()
        self.world = a_world(client_events=True, client_events_per_second=1_000_000, subscription_count=counts)
        self.node = self.world.node(fanout_slice=fanout_slice)
        self.crowd = self.node.hub.crowd(KEY)
        self.online: list[Talker] = []
        self.members: dict[str, dict[Talker, object]] = {name: {} for name in NAMES}
        """Who is subscribed, in order, and as whom."""
        self.meant: dict[tuple[Talker, str], list[Event]] = {}
        self.cached: dict[str, Event] = {}
        self.replies: list[asyncio.Future[Reply]] = []
        """To what is published to huge audiences."""
        self.came = 0
        self.published = 0

    def do(self, action: Callable[[], object]) -> None:
        """Within the loop, and within one turn of it."""

        async def run() -> None:
            outcome = action()
            if asyncio.iscoroutine(outcome):
                self.replies.append(asyncio.ensure_future(outcome))

        self.loop.run_until_complete(run())

    def some(self, data: st.DataObject) -> Talker:
        return data.draw(st.sampled_from(self.online))

    @precondition(lambda self: len(self.online) < 6)
    @rule(swaps_every=st.sampled_from([0, 0, 1, 2, 3]))
    def connect(self, swaps_every: int) -> None:
        self.came += 1
        self.do(lambda: self.online.append(Talker(self.node, f"{self.came}.1", swaps_every=swaps_every)))

    @precondition(lambda self: self.online)
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        talker = self.some(data)
        self.online.remove(talker)
        self.do(talker.vanish)
        for name in NAMES:
            if self.members[name].pop(talker, None) is not None:
                self.has_got_everything(talker, name)
        assert talker.faults == 0

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=st.sampled_from(NAMES), user_id=st.sampled_from(USERS))
    def subscribe(self, data: st.DataObject, name: str, user_id: object) -> None:
        talker = self.some(data)
        is_presence = name.startswith("presence-")
        self.do(lambda: talker.subscribe(name, user_id if is_presence else None))
        if talker in self.members[name]:
            return
        self.members[name][talker] = user_id
        if name in self.cached:
            self.means(talker, name, self.cached[name])

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def unsubscribe(self, data: st.DataObject, name: str) -> None:
        talker = self.some(data)
        self.do(lambda: talker.unsubscribe(name))
        if self.members[name].pop(talker, None) is not None:
            self.has_got_everything(talker, name)

    @rule(data=st.data(), names=st.sets(st.sampled_from(NAMES), min_size=1), times=st.integers(1, 3))
    def publish(self, data: st.DataObject, names: set[str], times: int) -> None:
        without = data.draw(st.none() | st.sampled_from(self.online)) if self.online else None
        for _ in range(times):
            event = self.event("e")
            for name in names:
                self.is_for(name, event, without)
                if "cache-" in name:
                    self.cached[name] = event
            excluded = "" if without is None else without.socket_id
            self.do(lambda: self.node.perform(self.request(event, names, excluded)))  # noqa: B023  # done at once

    def request(self, event: Event, names: set[str], without: str) -> PublishEvent:
        return publication(ChannelEvent(event[0], str(event[1]), tuple(names), without=without))

    @rule(pattern=st.sampled_from(["^presence-", "c", "a$", "^news$", "nobody"]))
    def publish_to_a_pattern(self, pattern: str) -> None:
        event = self.event("e")
        for name in NAMES:
            if self.members[name] and re.search(pattern, name):
                self.is_for(name, event, None)
                if "cache-" in name:
                    self.cached[name] = event
        request = publication(ChannelEvent(event[0], str(event[1]), pattern=pattern))
        self.do(lambda: self.node.perform(request))

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=st.sampled_from(NAMES), times=st.integers(1, 3))
    def client_event(self, data: st.DataObject, name: str, times: int) -> None:
        talker = self.some(data)
        for _ in range(times):
            event = self.event("client-e")
            self.do(lambda: talker.tell(event[0], event[1], channel=name))  # noqa: B023  # done at once
            if talker in self.members[name] and name.startswith(("private-a", "presence-")):
                self.is_for(name, event, talker)

    def event(self, name: str) -> Event:
        self.published += 1
        return name, self.published

    def is_for(self, name: str, event: Event, without: Talker | None) -> None:
        for talker in self.members[name]:
            if talker is not without:
                self.means(talker, name, event)

    def means(self, talker: Talker, name: str, event: Event) -> None:
        self.meant.setdefault((talker, name), []).append(event)

    @rule(count=st.integers(1, 3))
    def turn(self, count: int) -> None:
        self.loop.run_until_complete(turns(count))

    @rule()
    def settle(self) -> None:
        self.loop.run_until_complete(turns(SETTLED))
        for talker in self.online:
            assert talker.faults == 0
            for name in NAMES:
                self.has_got_everything(talker, name)
                if talker in self.members[name]:
                    self.knows_who_is_present(talker, name)
        assert not any(self.node.stats.errors.values())
        assert all(reply.done() and reply.result().status == 200 for reply in self.replies)

    def has_got_everything(self, talker: Talker, name: str) -> None:
        messages = [json.loads(text) for text in talker.texts]
        events = [
            (message["event"], int(message["data"]))
            for message in messages
            if message.get("channel") == name and message["event"] in ("e", "client-e")
        ]
        assert events == self.meant.get((talker, name), [])

    def knows_who_is_present(self, talker: Talker, name: str) -> None:
        """What a client library makes of the messages is who is really there."""
        if not name.startswith("presence-"):
            return
        present: set[str] = set()
        for message in map(json.loads, talker.texts):
            if message.get("channel") != name or not message["event"].startswith("pusher_internal:"):
                continue
            data = json.loads(message["data"])
            if message["event"] == SUCCEEDED:
                present = set(data["presence"]["hash"])
                assert data["presence"]["count"] == len(present) == len(data["presence"]["ids"])
            elif message["event"] == "pusher_internal:member_added":
                assert str(data["user_id"]) not in present
                present.add(str(data["user_id"]))
            else:
                assert message["event"] == "pusher_internal:member_removed"
                present.remove(str(data["user_id"]))
        assert present == {str(user_id) for user_id in self.members[name].values()}

    @invariant()
    def the_node_knows_who_is_where(self) -> None:
        channels = self.crowd.channels
        assert list(self.crowd.sockets.values()) == self.online
        assert set(channels.by_name) == {name for name in NAMES if self.members[name]}
        for name, channel in channels.by_name.items():
            assert list(channel.audience) == list(self.members[name])
            assert all(channel.audience[talker] == talker.entry for talker in self.members[name])
            if channel.roster is not None:
                present = {str(user_id) for user_id in self.members[name].values()}
                assert {member.user_id for member in channel.roster.members} == present

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.settle()
            self.world.close()
            self.loop.close()


def test_every_subscriber_gets_what_a_naive_model_says_and_knows_who_is_present() -> None:
    run_state_machine_as_test(AgainstAModel, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
