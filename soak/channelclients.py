"""Clients that speak Pusher: they subscribe, sign in, send events, misbehave, and tell the model all that they see."""

import asyncio
import json
import time
from collections import deque
from typing import Any, Final

from soak.clients import CLOSE_S, Client, number_of
from soak.fallback import HttpSession
from soak.model import NEVER, Member, Publication
from soak.transports import WebSocket
from soak.world import VANISH_S, App, World

USER_CHANNEL: Final = "#server-to-user-"


class ChannelClient(Client):
    """A Pusher client."""

    def __init__(
        self, world: World, app: App, name: str, user_id: str, *, way: str = "ws", session: str = "", key: str = ""
    ) -> None:
        super().__init__(world, app, name)
        self.user_id = user_id
        self.socket_id = ""
        self.signed_in = False
        """Whether it has been told so."""
        self.signing_in = False
        self.subscriptions: dict[str, list[Member]] = {}
        """By channel; the last one may be asked for while the one before it is being left."""
        self.expected: deque[str] = deque()
        """What errors say that it has provoked."""
        self.plan: list[str] = []
        """What it subscribes to once it is greeted."""
        self.wants_sign_in = False
        self._leaving: deque[tuple[int, Member]] = deque()
        self._relayed: deque[tuple[int, Publication]] = deque()
        path = f"/soak/app/{key or app.key}"
        if way.startswith("xhr"):
            self.transport = HttpSession(self, path, session, streaming=way == "xhr_streaming")
        else:
            query = "?protocol=7&client=soak&version=1.0"
            self.transport = WebSocket(self, path + query, compress=way == "ws+deflate")
        self.note(f"connects to {app.name} as {user_id} by {self.transport.kind}")

    def members(self) -> list[Member]:
        """Its subscriptions that are not over."""
        return [
            member for each in self.subscriptions.values() for member in each if not member.ended and not member.abrupt
        ]

    def current(self, channel: str) -> Member | None:
        """The subscription that is asked for or acknowledged, and not being left."""
        each = self.subscriptions.get(channel)
        return each[-1] if each and each[-1].leaving == NEVER and not each[-1].ended else None

    def steady(self) -> list[str]:
        """The channels on which it is surely subscribed."""
        return [name for name, each in self.subscriptions.items()
                if len(each) == 1 and each[0].joined != NEVER and each[0].leaving == NEVER]  # fmt: skip

    # What it does

    def _say(self, event: str, data: object, channel: str = "") -> None:
        message = {"event": event, "data": data} | ({"channel": channel} if channel else {})
        self.transport.send(json.dumps(message))

    def subscribe(self, channel: str) -> None:
        """Ask for a subscription."""
        self.note(f"subscribes to {channel}")
        presence = channel.startswith("presence-")
        group = self.app.ledger.channel(channel)
        member = self.app.ledger.join(group, self, channel, self.user_id if presence else None)
        self.subscriptions.setdefault(channel, []).append(member)
        self._say("pusher:subscribe", self._proof(channel))

    def _proof(self, channel: str, spoil: bool = False) -> dict[str, str]:
        data = {"channel": channel}
        if channel.startswith("presence-"):
            data["channel_data"] = json.dumps({"user_id": self.user_id, "user_info": {"name": self.user_id}})
            data["auth"] = self.app.sign(f"{self.socket_id}:{channel}:{data['channel_data']}")
        elif channel.startswith("private-"):
            data["auth"] = self.app.sign(f"{self.socket_id}:{channel}")
        if spoil:
            data["auth"] = data["auth"][:-1] + ("0" if data["auth"][-1] != "0" else "1")
        return data

    def unsubscribe(self, channel: str) -> None:
        """Leave a channel; a ping behind it tells when that has been read."""
        member = self.subscriptions[channel][-1]
        self.note(f"unsubscribes from {channel}")
        member.leaving = self.world.clock.tick()
        self._say("pusher:unsubscribe", {"channel": channel})
        self._leaving.append((member.leaving, member))
        self.ping()

    def sign_in(self) -> None:
        """Sign in as its user."""
        self.note("signs in")
        self.signing_in = True
        data = json.dumps({"id": self.user_id})
        self._say("pusher:signin", {"auth": self.app.sign(f"{self.socket_id}::user::{data}"), "user_data": data})

    def relay(self, publication: Publication, channel: str) -> None:
        """Send a client event; a ping behind it tells when it has been read."""
        self.note(f"sends {publication}")
        self._relayed.append((publication.sent, publication))
        if self.app.hooks is not None:
            self.app.hooks.relayed(publication)
        self._say("client-soak", publication.content, channel)
        self.ping()

    def doubt_relays(self) -> None:
        """Whether what it has just sent is let through is being changed."""
        for _, publication in self._relayed:
            publication.definite = False

    def _abandon_relays(self, code: int = 0) -> None:
        """Its end has come before the pongs: a polite one proves as much, otherwise nobody knows."""
        while self._relayed:
            publication = self._relayed.popleft()[1]
            if code == 1000:
                self.app.ledger.answered(publication, None, self)
            else:
                publication.definite = False
                loop = asyncio.get_running_loop()
                loop.call_later(VANISH_S, self.app.ledger.answered, publication, None, self)

    def on_close(self, code: int, reason: str) -> None:
        """As for all, and its events."""
        super().on_close(code, reason)
        self._abandon_relays(code)

    def _vanish(self) -> None:
        super()._vanish()
        self._abandon_relays()

    def misbehave(self, how: int) -> None:
        """Do what is refused with an error that closes nothing."""
        steady = self.steady()
        if how == 0 and steady:
            self._expect("Existing subscription")
            self._say("pusher:subscribe", self._proof(steady[0]))
        elif how == 1:
            self._expect("Invalid signature", "pusher:subscription_error")
            self._say("pusher:subscribe", self._proof("private-forged", spoil=True))
        elif how == 2:
            self._expect("No current subscription")
            self._say("pusher:unsubscribe", {"channel": "never-was-there"})
        elif how == 3:
            self._expect("Invalid message format")
            self.transport.send('{"event": [')
        elif how == 4:
            self._expect("Invalid channel name", "pusher:subscription_error")
            self._say("pusher:subscribe", {"channel": "no such/name"})
        else:
            self._expect("Unknown event")
            self._say("pusher:nonsense", {})
        self.ping()

    def _expect(self, *what: str) -> None:
        self.note(f"provokes {what[0]!r}")
        self.expected.extend(what)

    # What it sees

    def on_open(self) -> None:
        """The greeting is what counts."""

    def ponged(self, tick: int) -> None:
        """What was left is over, what was sent is published, what was provoked has been answered."""
        while self._leaving and self._leaving[0][0] < tick:
            self._leaving.popleft()[1].end()
        while self._relayed and self._relayed[0][0] < tick:
            publication = self._relayed.popleft()[1]
            self.app.ledger.answered(publication, None, self)
        if self.expected and not self._pings:
            self.violated(f"{self.name} was never told {self.expected[0]!r}")
        for name in [name for name, each in self.subscriptions.items() if all(member.ended for member in each)]:
            del self.subscriptions[name]

    def on_text(self, text: bytes) -> None:
        """A message of the protocol."""
        message = json.loads(text)
        event = message["event"]
        handle = _HANDLERS.get(event)
        if handle is not None:
            handle(self, message)
        elif event in ("soak", "client-soak"):
            self._event(message)
        else:
            self.violated(f"{self.name} got an event that it knows nothing of: {text[:200]!r}")

    def _greeted(self, message: dict[str, Any]) -> None:
        if self.open:
            self.violated(f"{self.name} was greeted twice")
        self.open = True
        if not self.doomed:
            self.deadline_s = 0
        self.socket_id = json.loads(message["data"])["socket_id"]
        self.note(f"is connected as {self.socket_id}")
        if self.app.hooks is not None:
            self.app.hooks.greeted(self.socket_id)
        if self.over:
            return
        for channel in self.plan:
            self.subscribe(channel)
        if self.wants_sign_in and self.user_id not in self.app.terminating:
            self.sign_in()

    def _subscribed(self, message: dict[str, Any]) -> None:
        channel = message["channel"]
        each = self.subscriptions.get(channel, [])
        while each and each[0].joined != NEVER:
            each.pop(0).end()  # asked for anew right behind its end: whatever was for the old one has come
        if not each:
            self.violated(f"{self.name} was told that it is subscribed to {channel}, which it has not asked for")
            return
        member = each[0]
        member.joined, member.joined_s = self.world.clock.tick(), time.monotonic()
        self.note(f"is subscribed to {channel}")
        member.replay_due = "cache-" in channel
        if member.user_id is not None:
            member.view = set(json.loads(message["data"])["presence"]["ids"])
            if self.user_id not in member.view:
                self.violated(f"{member} is not among those whom it was told to be there: {sorted(member.view)}")

    def _receiver(self, message: dict[str, Any]) -> Member | None:
        channel = message["channel"]
        each = self.subscriptions.get(channel)
        if not each or each[0].joined == NEVER:
            self.violated(f"{self.name} got {message} without being subscribed")
            return None
        return each[0]

    def _event(self, message: dict[str, Any]) -> None:
        content = message["data"]
        publication = self.arrived(number_of(content), content)
        member = self._receiver(message)
        if publication is None or member is None:
            return
        if message.get("user_id") != publication.user_id:
            self.violated(f"{member} got {publication} with user_id {message.get('user_id')!r}")
        if member.replay_due:
            member.replayed(publication)
        else:
            member.receive(publication)

    def _cache_miss(self, message: dict[str, Any]) -> None:
        member = self._receiver(message)
        if member is not None:
            member.missed()

    def _added(self, message: dict[str, Any]) -> None:
        member, user_id = self._receiver(message), json.loads(message["data"])["user_id"]
        self.note(f"is told that {user_id} has come to {message['channel']}")
        if member is not None and user_id in member.view:
            self.violated(f"{member} was told twice that {user_id} has come")
        elif member is not None:
            member.view.add(user_id)

    def _removed(self, message: dict[str, Any]) -> None:
        member, user_id = self._receiver(message), json.loads(message["data"])["user_id"]
        self.note(f"is told that {user_id} has left {message['channel']}")
        if member is not None and user_id not in member.view:
            self.violated(f"{member} was told that {user_id} has left, who was not there")
        elif member is not None:
            member.view.discard(user_id)

    def _signed_in(self, message: dict[str, Any]) -> None:
        self.signed_in, self.signing_in = True, False
        self.note("is signed in")
        if not self.over:
            self.subscribe(f"{USER_CHANNEL}{self.user_id}")

    def _error(self, message: dict[str, Any]) -> None:
        text = f"{message['event']} {message['data']}"
        self.note(f"was told {text[:120]}")
        if self.expected and self.expected[0] in text:
            self.expected.popleft()
            return
        code = message["data"].get("code") if isinstance(message["data"], dict) else None
        if self.over and code in (*self.doomed, *self.may_close):
            return
        if code is not None and code in self.may_close:
            return
        if "you must enable this feature" in text and self._may_be_off():
            return
        self.violated(f"{self.name} got an error that it has not provoked: {text}")

    def _may_be_off(self) -> bool:
        app = self.app
        return app.changing or not app.client_events or time.monotonic() - app.changed_s < CLOSE_S

    def _rejected(self, message: dict[str, Any]) -> None:
        """Said besides the error, which is what is looked at."""

    def _counted(self, message: dict[str, Any]) -> None:
        count = json.loads(message["data"])["subscription_count"]
        if self._receiver(message) is not None and count < 1:
            self.violated(f"{self.name} was told that {count} are subscribed to {message['channel']}")


_HANDLERS: Final = {
    "pusher:connection_established": ChannelClient._greeted,
    "pusher_internal:subscription_succeeded": ChannelClient._subscribed,
    "pusher_internal:member_added": ChannelClient._added,
    "pusher_internal:member_removed": ChannelClient._removed,
    "pusher_internal:subscription_count": ChannelClient._counted,
    "pusher:cache_miss": ChannelClient._cache_miss,
    "pusher:signin_success": ChannelClient._signed_in,
    "pusher:error": ChannelClient._error,
    "pusher:subscription_error": ChannelClient._error,
    "pushery:client_event_rejected": ChannelClient._rejected,
}
