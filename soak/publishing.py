"""What backends publish: to all, to tags and patterns, to channels, in batches, again under the same key.

Patterns are literals and alternatives of literals, so Python's `re` says what they mean: the model does not share the
server's search.
"""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, Final

from soak.backend import Answer, BackendError, Line, push_request, signed
from soak.channelclients import ChannelClient
from soak.clients import Client
from soak.model import Member, Publication, Told
from soak.world import App, World

TAGS: Final = tuple(f"{team}:{number}" for team in "ABCD" for number in range(1, 13))
"""Tags of clients. `A:1` is also found in `A:10`, `A:11` and `A:12`."""

PUBLIC: Final = tuple(f"room-{number}" for number in range(8))
PRIVATE: Final = (*(f"private-room-{number}" for number in range(4)), "private-encrypted-safe")
PRESENCE: Final = (*(f"presence-hall-{number}" for number in range(5)), "presence-cache-lobby")
CACHED: Final = ("cache-price-0", "cache-price-1", "private-cache-note", "presence-cache-lobby")
CHANNELS: Final = (*PUBLIC, *PRIVATE, *PRESENCE, *CACHED[:3])

_PATTERNS: Final = ("^A:", "A:1", ":1", "^(A|B):1$", "^C:(2|3|4)$", "B:|D:7", "2$", "^nobody$", "D:1.*", "^[AB]:[13]$")
_CHANNEL_PATTERNS: Final = ("^room-", "^private-room-[01]$", "^(room-1|room-2)$", "hall", "^nothing$", "room-3")
_PADS: Final = ("x" * 30, "y" * 180, '"quoted" \\ and <b>&amp;</b> ', "grüße, 世界 🎈 ", "z" * 700, "long " * 400)


class Reporter:
    """Stands for the backend when a total is wrong."""

    def __init__(self, world: World) -> None:
        self.name = "a backend"
        self._world = world

    def violated(self, what: str) -> None:
        """Nobody's history tells more."""
        self._world.report(what)


class Publisher:
    """Publishes what it is told to, and tells the model."""

    def __init__(self, world: World, clients: dict[Client, None]) -> None:
        self._world = world
        self._clients = clients
        self._random = world.random
        self._reporter: Told = Reporter(world)
        self._tasks: set[asyncio.Task[None]] = set()
        self.kinds: dict[str, tuple[int, Callable[[], None]]] = {
            "push to all": (6, self._to_all),
            "push to a pattern": (10, self._to_pattern),
            "push to a tag": (12, self._to_tag),
            "event": (24, self._event),
            "event to several channels": (6, self._to_several),
            "event but to one": (8, self._but_to_one),
            "event to a channel pattern": (5, self._to_channel_pattern),
            "event to a user": (5, self._to_user),
            "batch": (5, self._batch),
            "push again under its key": (3, self._twice),
            "client event": (12, self._client_event),
            "burst": (2, self._burst),
        }

    def publication(self, app: App, source: object, what: str, wants: Callable[[Member], bool]) -> Publication:
        """A new one, about to be sent."""
        number = self._world.publication_id()
        content = f"{number} {app.name} {self._random.choice(_PADS)}"
        return Publication(number, self._world.clock.tick(), source, what, content, wants)

    def one(self) -> None:
        """Something, as the mix has it."""
        names = list(self.kinds)
        name = self._random.choices(names, [self.kinds[each][0] for each in names])[0]
        self._world.done[name] += 1
        self.kinds[name][1]()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if self._world.violation:
            return
        if isinstance(error, BackendError):
            self._world.report(str(error))
        elif error is not None:
            self._world.report(f"the generator itself has failed: {error!r}")
            raise error

    async def quiet(self) -> None:
        """Wait until everything is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks, timeout=20)

    def _app(self, *, gopusher: bool = False, pusher: bool = False) -> App:
        found = [app for app in self._world.apps if app.gopusher >= gopusher and app.pusher >= pusher and not app.gone]
        return self._random.choice(found)

    def _line(self) -> Line:
        return self._random.choice(self._world.lines)

    # GoPusher

    def _to_all(self) -> None:
        self.push(self._app(gopusher=True), None, "push to all", lambda member: True)

    def _to_pattern(self) -> None:
        pattern = self._random.choice(_PATTERNS)
        search = re.compile(pattern).search
        app = self._app(gopusher=True)
        self.push(app, pattern, f"push to {pattern}", lambda member: search(member.name) is not None)

    def _to_tag(self) -> None:
        tag = self._random.choice(TAGS)
        self.push(self._app(gopusher=True), f"^{tag}$", f"push to {tag}", lambda member: member.name == tag)

    def push(
        self, app: App, pattern: str | None, what: str, wants: Callable[[Member], bool], content: str = ""
    ) -> "asyncio.Future[Answer]":
        """A push on any connection."""
        line = self._line()
        publication = self.publication(app, line, f"{what} of {app.name}", lambda m: m.group.tagged and wants(m))
        publication.content += content
        as_json = self._random.random() < 0.3
        future = line.ask(push_request(app.first_key, app.auth, publication.content, pattern, as_json=as_json))
        app.ledger.publish(publication, [app.ledger.tagged])
        self._spawn(self._push_answered(app, publication, future))
        return future

    async def _push_answered(self, app: App, publication: Publication, future: "asyncio.Future[Answer]") -> None:
        answer = await future
        if answer.status == 200:
            app.ledger.answered(publication, int(answer.json["total"]), self._reporter)
        else:
            self._refused(app, [publication], answer)

    def _refused(self, app: App, publications: list[Publication], answer: Answer) -> None:
        for publication in publications:
            app.ledger.refused(publication)
        if not app.gone:
            told = f"{publications[0]} was answered {answer.status}: {answer.body[:200]!r}"
            self._world.report(told)
        self._world.explained[kind_of(answer)] += 1

    def _twice(self) -> None:
        """The same push under the same key: it is published once, and both get one answer."""
        apps = [app for app in self._world.apps if app.passing and not app.gone]  # whose answers are soon forgotten
        if not apps:
            return
        app = apps[0]
        publication = self.publication(app, None, f"push sent twice of {app.name}", lambda member: member.group.tagged)
        key = f"soak-{publication.id}"
        data = push_request(app.first_key, app.auth, publication.content, None, as_json=False, once=key)
        both = [self._line().ask(data), self._line().ask(data)]
        app.ledger.publish(publication, [app.ledger.tagged])
        self._spawn(self._twice_answered(app, publication, both))

    async def _twice_answered(self, app: App, publication: Publication, both: "list[asyncio.Future[Answer]]") -> None:
        first, second = await asyncio.gather(*both)
        if first.status != 200 or second.status != 200:
            self._refused(app, [publication], first if first.status != 200 else second)
            if first.status != 200 and second.status != 200:
                self._world.explained[kind_of(second)] += 1
            return
        if first.body != second.body:
            told = f"{publication} got two answers under one key: {first.body[-60:]!r} and {second.body[-60:]!r}"
            self._world.report(told)
        app.ledger.answered(publication, int(first.json["total"]), self._reporter)

    # Pusher

    def _event(self) -> None:
        self._events(self._app(pusher=True), [self._random.choice(CHANNELS)])

    def _to_several(self) -> None:
        self._events(self._app(pusher=True), self._random.sample(CHANNELS, self._random.randint(2, 6)))

    def _to_user(self) -> None:
        app = self._app(pusher=True)
        self._events(app, [f"#server-to-user-u{self._random.randrange(app.users)}"])

    def _but_to_one(self) -> None:
        app = self._app(pusher=True)
        found = [c for c in self._clients if c.app is app and isinstance(c, ChannelClient) and c.open and not c.over]
        if found:
            client = self._random.choice(found)
            steady = [name for name in client.steady() if name in CHANNELS]
            if steady:
                self._events(app, [self._random.choice(steady)], client)

    def _events(self, app: App, channels: list[str], without: ChannelClient | None = None) -> None:
        line, names = self._line(), frozenset(channels)
        what = f"event on {', '.join(channels)} of {app.name}" + (f" but to {without.name}" if without else "")
        publication = self.publication(app, line, what, lambda member: member.name in names)
        publication.without = without
        fields: dict[str, object] = {"name": "soak", "data": publication.content, "channels": channels}
        fields["info"] = "receivers,subscription_count"
        if without is not None:
            fields["socket_id"] = without.socket_id
        body = json.dumps(fields).encode()
        future = line.ask(signed(app.key, app.secret, "POST", f"/apps/{app.id}/events", body))
        app.ledger.publish(publication, [app.ledger.channel(name) for name in channels])
        self._spawn(self._events_answered(app, publication, future))

    async def _events_answered(self, app: App, publication: Publication, future: "asyncio.Future[Answer]") -> None:
        answer = await future
        if answer.status != 200:
            self._refused(app, [publication], answer)
            return
        channels = answer.json["channels"]
        app.ledger.answered(publication, sum(each["receivers"] for each in channels.values()), self._reporter)

    def _to_channel_pattern(self) -> None:
        """To all occupied channels that a pattern finds."""
        app, line, pattern = self._app(pusher=True), self._line(), self._random.choice(_CHANNEL_PATTERNS)
        search = re.compile(pattern).search
        publication = self.publication(
            app,
            line,
            f"event on channels {pattern} of {app.name}",
            lambda member: not member.group.tagged and search(member.name) is not None,
        )
        publication.kept = False  # no cache channel is among them
        fields = {"name": "soak", "data": publication.content, "channel_pattern": pattern, "info": "receivers"}
        body = json.dumps(fields).encode()
        future = line.ask(signed(app.key, app.secret, "POST", f"/apps/{app.id}/events", body))
        app.ledger.publish(publication, [group for name, group in app.ledger.channels.items() if search(name)])
        self._spawn(self._pattern_answered(app, publication, future))

    async def _pattern_answered(self, app: App, publication: Publication, future: "asyncio.Future[Answer]") -> None:
        answer = await future
        if answer.status != 200:
            self._refused(app, [publication], answer)
        else:
            app.ledger.answered(publication, answer.json["receivers"], self._reporter)

    def _batch(self) -> None:
        app, line = self._app(pusher=True), self._line()
        publications, groups, batch = [], [], []
        for _ in range(self._random.randint(2, 10)):
            channel = self._random.choice(CHANNELS)
            publication = self.publication(app, line, f"event of a batch on {channel} of {app.name}", _on(channel))
            publications.append(publication)
            groups.append(app.ledger.channel(channel))
            event = {"name": "soak", "data": publication.content, "channel": channel, "info": "receivers"}
            batch.append(event)
        body = json.dumps({"batch": batch}).encode()
        future = line.ask(signed(app.key, app.secret, "POST", f"/apps/{app.id}/batch_events", body))
        for publication, group in zip(publications, groups, strict=True):
            app.ledger.publish(publication, [group])
        self._spawn(self._batch_answered(app, publications, future))

    async def _batch_answered(
        self, app: App, publications: list[Publication], future: "asyncio.Future[Answer]"
    ) -> None:
        answer = await future
        if answer.status != 200:
            self._refused(app, publications, answer)
            return
        for publication, told in zip(publications, answer.json["batch"], strict=True):
            app.ledger.answered(publication, told.get("receivers", 0), self._reporter)

    def _client_event(self) -> None:
        clients = [
            client for client in self._clients if isinstance(client, ChannelClient) and client.open and not client.over
        ]
        if not clients:
            return
        sender = self._random.choice(clients)
        channels = [
            name for name in sender.steady() if name.startswith(("private-room", "presence-hall", "private-cache"))
        ]
        if not channels:
            return
        app, channel = sender.app, self._random.choice(channels)
        publication = self.publication(app, sender, f"client event on {channel} by {sender.name}", _on(channel))
        publication.without, publication.kept = sender, False
        publication.definite = app.client_events and not app.changing
        if channel.startswith("presence-"):
            publication.user_id = sender.user_id
        if not app.client_events and not app.changing:
            publication.wants = lambda member: False
        app.ledger.publish(publication, [app.ledger.channel(channel)])
        sender.relay(publication, channel)

    def _burst(self) -> None:
        """Much at once: what one turn of the server's loop gathers."""
        for _ in range(self._random.randint(8, 25)):
            name = self._random.choice([name for name in self.kinds if name != "burst"])
            self._world.done[name] += 1
            self.kinds[name][1]()


def _on(channel: str) -> Callable[[Member], bool]:
    return lambda member: member.name == channel and not member.group.tagged


def kind_of(answer: Answer) -> str:
    """The error code of a refusal, as the metrics name it."""
    try:
        return str(answer.json["error"]["code"])
    except (ValueError, KeyError, TypeError):
        text = answer.body.decode("utf-8", "replace")
        for start, kind in _TEXTS:
            if text.startswith(start):
                return kind
        return f"unknown: {text[:60]}"


_TEXTS: Final = (
    ("Unknown auth_key", "unknown_auth_key"),
    ("Missing parameter: auth", "missing_auth_parameter"),
    ("Missing parameter: body", "missing_auth_parameter"),
    ("Version", "bad_auth_version"),
    ("Timestamp expired", "timestamp_expired"),
    ("Timestamp", "bad_auth_timestamp"),
    ("Invalid body_md5", "invalid_body_md5"),
    ("Invalid signature", "invalid_signature"),
    ("Forbidden", "app_disabled"),
    ("Unknown app id", "unknown_app"),
    ("Parameter given twice", "repeated_parameter"),
    ("The query string", "malformed_query"),
    ("The body has to be a JSON array", "malformed_body"),
    ("The body is not", "malformed_body"),
    ("Missing required parameter", "missing_parameter"),
    ("Batch too large", "batch_too_large"),
    ("Too many channels", "too_many_channels"),
    ("Invalid channel name", "invalid_channel_name"),
    ("A channel name", "invalid_channel_name"),
    ("An event name", "invalid_event_name"),
    ("Event names that", "reserved_event_name"),
    ("Invalid socket_id", "invalid_socket_id"),
    ("info should be", "invalid_info"),
    ("Invalid channel_pattern", "invalid_pattern"),
    ("Send either channels", "invalid_channel_pattern"),
    ("The data content", "event_too_large"),
    ("There is no such session", "unknown_session"),
    ("The path is /app/", "bad_session_name"),
    ("Too many", "too_many_auth_failures"),
)
