"""What every client must, may, and must not have received: the oracle of the soak test.

It shares nothing with the server. Everything that the generator does or sees gets a number from one counter, so
"answered before it was asked for" is a comparison of two numbers, and causality does the rest:

- A publish that was sent after the member's join was acknowledged, and answered before it asked to leave, must arrive.
- One that was answered before the member asked to join must not, nor one that was sent after its end was seen.
- What lies between may.
- Whoever gets Q must have got every P that came surely before Q, if it had joined when P was sent.

Invariant: a verdict never rests on a clock, only on what was seen before what.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol

NEVER: Final = 1 << 62

_RECENT: Final = 8
"""How many messages back two are compared for order."""

_HISTORY: Final = 200
"""Publishes that a channel is remembered for: what its cache may hold."""


class Violation(Exception):
    """The server has broken a promise."""


class Told(Protocol):
    """A client, as far as the model is concerned."""

    name: str

    def violated(self, what: str) -> None:
        """Report a broken promise towards this client."""


class Clock:
    """Numbers for what is seen, in the order in which it is seen."""

    def __init__(self) -> None:
        self._next = itertools.count(1).__next__

    def tick(self) -> int:
        """The next number."""
        return self._next()


class Publication:
    """One publish, or one event of a batch. `wants` says which groups and members it is for."""

    __slots__ = (
        "answered", "answered_s", "content", "definite", "got", "id", "kept", "lost", "open", "refused", "sent",
        "source", "total", "user_id", "wants", "what", "without",
    )  # fmt: skip

    def __init__(
        self, number: int, sent: int, source: object, what: str, content: str, wants: "Callable[[Member], bool]"
    ) -> None:
        self.id = number
        self.sent = sent
        self.source = source
        """What keeps it in order with others of the same source: the connection that it was sent on."""
        self.what = what
        self.content = content
        self.wants = wants
        self.without: object = None
        """The client that gets nothing."""
        self.user_id: str | None = None
        """Who has sent it, where receivers are told."""
        self.definite = True
        """Whether it will surely be published: False while a setting that decides that is being changed."""
        self.kept = True
        """Whether cache channels keep it."""
        self.refused = False
        self.answered = NEVER
        self.answered_s = 0.0
        self.total: int | None = None
        self.open = 0
        """Members that may still get it."""
        self.got = 0
        self.lost = 0
        """Members for whom nobody can say: they were gone without a word."""

    def surely_before(self, other: "Publication") -> bool:
        """Whether it was published before `other`."""
        if self.answered < other.sent:
            return True
        return self.source is not None and self.source is other.source and self.sent < other.sent

    def __str__(self) -> str:
        return f"#{self.id} {self.what}"


class Member:
    """One membership: a tag of a connected client, or a subscription from its begin to its end."""

    __slots__ = (
        "_newest", "_recent", "_seen", "abrupt", "asked", "client", "ended", "ends_s", "group", "joined", "joined_s",
        "leaving", "name", "owed", "replay_due", "user_id", "view",
    )  # fmt: skip

    def __init__(self, group: "Group", client: Told, name: str, asked: int, user_id: str | None = None) -> None:
        self.group = group
        self.client = client
        self.name = name
        self.user_id = user_id
        self.asked = asked
        self.joined = NEVER
        self.joined_s = 0.0
        self.leaving = NEVER
        self.ended = False
        self.abrupt = False
        self.ends_s = 0.0
        """When a member that vanished is surely counted out."""
        self.owed: dict[Publication, None] = {}
        self.view: set[str] = set()
        """Of a presence channel: who is there, as this member was told."""
        self.replay_due = False
        """Whether the next that comes is what the cache channel keeps."""
        self._recent: deque[Publication] = deque(maxlen=_RECENT)
        self._newest: Publication | None = None
        self._seen: deque[int] = deque(maxlen=512)

    def owe(self, publication: Publication) -> None:
        """It may get this."""
        if publication.without is self.client:
            return
        if self.abrupt:
            publication.lost += 1
        else:
            self.owed[publication] = None
            publication.open += 1

    def receive(self, publication: Publication) -> None:
        """It has got this."""
        if publication not in self.owed:
            self._unexpected(publication)
            return
        del self.owed[publication]
        publication.open -= 1
        publication.got += 1
        if publication.refused:
            self.client.violated(f"{self} got {publication}, which was refused")
        for earlier in self.owed:
            if earlier.sent >= publication.sent:
                break
            if earlier.definite and earlier.sent > self.joined and earlier.surely_before(publication):
                self.client.violated(f"{self} got {publication}, but not {earlier}, which was published before")
        self._in_order(publication)
        self._seen.append(publication.id)
        publication_is_done(publication, self.client)

    def replayed(self, publication: Publication) -> None:
        """It has got what its cache channel keeps."""
        self.replay_due = False
        for other in self.group.history:
            if publication.surely_before(other) and other.answered < self.asked and other.definite:
                self.client.violated(f"{self} was given {publication}, though {other} came later")
        if publication in self.owed:  # it came before the subscription, so it does not come again
            del self.owed[publication]
            publication.open -= 1
            publication_is_done(publication, self.client)
        self._in_order(publication)
        self._seen.append(publication.id)

    def missed(self) -> None:
        """It was told that its cache channel keeps nothing."""
        self.replay_due = False
        for other in self.group.history:
            if other.answered < self.asked and other.definite and not other.refused:
                self.client.violated(f"{self} was told of a cache miss, though the channel keeps {other}")

    def _unexpected(self, publication: Publication) -> None:
        if publication.id in self._seen:
            why = "twice"
        elif publication.without is self.client:
            why = "though it was left out by its socket_id"
        elif publication.answered < self.asked:
            why = "though it came only after that was answered"
        else:
            why = "which is not for it"
        self.client.violated(f"{self} got {publication} {why}")

    def _in_order(self, publication: Publication) -> None:
        newest = self._newest
        if newest is not None and publication.surely_before(newest):
            self.client.violated(f"{self} got {publication} after {newest}, which was published later")
        for earlier in self._recent:
            if publication.surely_before(earlier):
                self.client.violated(f"{self} got {publication} after {earlier}, which was published later")
            elif not earlier.surely_before(publication):
                self.group.same_order(earlier, publication, self)
        self._recent.append(publication)
        if newest is None or publication.sent > newest.sent:
            self._newest = publication

    def settle(self, horizon: int) -> None:
        """All that was answered before `horizon` has arrived by now, or never will."""
        for publication in [found for found in self.owed if found.answered < horizon]:
            self._resolve(publication)

    def end(self) -> None:
        """It is over, and everything that was on its way has been read."""
        if self.ended:
            return
        self.ended = True
        for publication in list(self.owed):
            self._resolve(publication)
        self.group.remove(self)

    def vanish(self, known_s: float) -> None:
        """It is gone without a word; the server counts it out within `known_s`."""
        if self.ended or self.abrupt:
            return
        self.abrupt = True
        self.ends_s = time.monotonic() + known_s
        for publication in self.owed:
            publication.open -= 1
            publication.lost += 1
            publication_is_done(publication, self.client)
        self.owed.clear()

    def _resolve(self, publication: Publication) -> None:
        del self.owed[publication]
        publication.open -= 1
        if (
            publication.definite
            and not publication.refused
            and publication.sent > self.joined
            and publication.answered < self.leaving
        ):
            self.client.violated(f"{self} has never got {publication}")
        publication_is_done(publication, self.client)

    def __str__(self) -> str:
        return f"{self.client.name} on {self.group.name}" + (f" as {self.name}" if self.group.tagged else "")


def publication_is_done(publication: Publication, client: Told) -> None:
    """Once nobody can get it any more, compare the total that was answered with what has arrived."""
    if publication.open or publication.answered == NEVER or publication.total is None:
        return
    least, most = publication.got, publication.got + publication.lost
    if not least <= publication.total <= most:
        told = f"{least}" if least == most else f"{least} to {most}"
        client.violated(f"{publication} was answered a total of {publication.total}, but reached {told}")


class Group:
    """All members of one stream in which order holds: an app's tagged clients, or a channel."""

    __slots__ = ("_order", "departed", "history", "members", "name", "tagged")

    def __init__(self, name: str, *, tagged: bool = False) -> None:
        self.name = name
        self.tagged = tagged
        self.members: dict[Member, None] = {}
        self.history: deque[Publication] = deque(maxlen=_HISTORY)
        self.departed: dict[str, float] = {}
        """Of a presence channel: when somebody's membership has ended, by user."""
        self._order: dict[tuple[int, int], str] = {}

    def remove(self, member: Member) -> None:
        """One less."""
        if self.members.pop(member, 0) is None and member.user_id is not None:
            self.departed[member.user_id] = time.monotonic()

    def same_order(self, first: Publication, second: Publication, member: Member) -> None:
        """Two that were under way together: everybody sees them in the same order."""
        other = self._order.get((second.id, first.id))
        if other is not None:
            member.client.violated(f"{member} got {first} before {second}, but {other} got them the other way round")
        if len(self._order) > 20_000:
            for key in list(itertools.islice(self._order, 10_000)):
                del self._order[key]
        self._order.setdefault((first.id, second.id), member.client.name)


class Ledger:
    """Everything of one app: its groups, and what is being published at the moment."""

    def __init__(self, name: str, clock: Clock, publications: dict[int, Publication]) -> None:
        self.name = name
        self._clock = clock
        self._publications = publications
        self.tagged = Group(f"{name}", tagged=True)
        self.channels: dict[str, Group] = {}
        self.under_way: dict[Publication, None] = {}
        """What is not answered yet."""

    def channel(self, name: str) -> Group:
        """The group of a channel."""
        group = self.channels.get(name)
        if group is None:
            group = self.channels[name] = Group(f"{self.name} {name}")
        return group

    def join(self, group: Group, client: Told, name: str, user_id: str | None = None) -> Member:
        """Somebody asks to be a member: what is under way may reach it."""
        member = Member(group, client, name, self._clock.tick(), user_id)
        group.members[member] = None
        for publication in self.under_way:
            if publication.wants(member):
                member.owe(publication)
        return member

    def publish(self, publication: Publication, groups: "list[Group]") -> None:
        """It is being sent to whoever it wants of these groups."""
        self._publications[publication.id] = publication
        self.under_way[publication] = None
        for group in groups:
            if publication.kept:
                group.history.append(publication)
            for member in group.members:
                if publication.wants(member):
                    member.owe(publication)

    def answered(self, publication: Publication, total: int | None, client: Told) -> None:
        """It is published, and reached as many."""
        publication.answered = self._clock.tick()
        publication.answered_s = time.monotonic()
        publication.total = total
        self.under_way.pop(publication, None)
        publication_is_done(publication, client)

    def refused(self, publication: Publication) -> None:
        """It was not published: nobody gets it."""
        self.under_way.pop(publication, None)
        publication.refused, publication.definite = True, False
        publication.answered, publication.answered_s = self._clock.tick(), time.monotonic()

    def groups(self) -> Iterator[Group]:
        """All of them."""
        yield self.tagged
        yield from self.channels.values()
