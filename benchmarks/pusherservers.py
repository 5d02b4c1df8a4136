"""The servers as Pusher clients and backends meet them: how a subscriber gets in, and how an event is published.

Every event carries 200 bytes of data. What a subscriber gets of it is `event_text`, the same from every server.
"""

import json
import subprocess
import sys
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from benchmarks.errors import BenchError
from benchmarks.servers import STAMP, STAMP_DIGITS, Bound, Prototype, Pushery, Server, message

DATA = 200
"""Bytes of an event's data, before it is encoded once more as a string in the message."""

CLIENT_DATA = 100
"""Bytes of a client event's data: they tend to be small, such as where somebody's pointer is."""

EVENT = "message"
CHANNEL = "room"
SIGNED_CHANNEL = "private-room"
BATCH = 10
SETUP_S = 20


def event_text() -> str:
    """The message that every subscriber gets, with the place of the stamp in it."""
    event = {"event": EVENT, "channel": CHANNEL, "data": message(DATA)}
    return json.dumps(event, separators=(",", ":"))


def event_size() -> int:
    """Bytes of that message, without the four of its frame's head."""
    return len(event_text()) - len(STAMP) + STAMP_DIGITS


class PusherServer(Server):
    """A server that speaks the Pusher protocol."""

    app_id: ClassVar[str]

    @property
    @abstractmethod
    def credentials(self) -> tuple[str, str]:
        """Key and secret of the app."""

    def socket_path(self) -> str:
        """Where its clients connect."""
        return f"/app/{self.credentials[0]}?protocol=7&client=bench&version=1.0"

    def connected(self) -> list[str]:
        """wsload's options for sockets that connect and subscribe to nothing."""
        return ["-p", str(self.port), "-u", self.socket_path(), "-w", "connection_established"]

    def everyone(self) -> list[str]:
        return self.subscribed_to(CHANNEL)

    def one_each(self) -> list[str]:
        return self.subscribed_to("user-%d")

    def subscribed_to(self, channel: str) -> list[str]:
        """wsload's options for subscribers of one public channel."""
        hello = json.dumps({"event": "pusher:subscribe", "data": {"channel": channel}})
        there = ["-p", str(self.port), "-u", self.socket_path()]
        return [*there, "-g", "connection_established", "-m", hello, "-w", "subscription_succeeded"]

    def push(self) -> list[str]:
        return self._post("events", {"name": EVENT, "channel": CHANNEL, "data": message(DATA)})

    def push_batch(self) -> list[str]:
        """httpload's options for a batch of events, of which only the first is stamped."""
        event = {"name": EVENT, "channel": CHANNEL, "data": message(DATA)}
        plain = event | {"data": message(DATA).replace(STAMP, "1" * STAMP_DIGITS)}
        return self._post("batch_events", {"batch": [event, *[plain] * (BATCH - 1)]})

    def clients(self, *, signed: bool) -> list[str]:
        """pusherload's options: where to connect, and how to subscribe to public or private channels."""
        there = ["-p", str(self.port), "-u", self.socket_path()]
        return [*there, "-c", SIGNED_CHANNEL, "-s", ":".join(self.credentials)] if signed else [*there, "-c", CHANNEL]

    def _post(self, what: str, body: object) -> list[str]:
        return [
            *("-p", str(self.port), "-u", f"/apps/{self.app_id}/{what}", "-s", ":".join(self.credentials)),
            *("-H", "Content-Type: application/json", "-B", json.dumps(body, separators=(",", ":"))),
        ]


class PusherBound(Bound):
    """The bound, for messages of this size."""

    frame = event_size()


class PusherPrototype(PusherServer, Prototype):
    """The prototype, told to carry the same messages."""

    app_id = "app-id"
    credentials: ClassVar[tuple[str, str]] = ("app-key", "app-secret")


class PusherPushery(PusherServer, Pushery):
    """The server of this repository, with an app whose clients may send events as fast as they can."""

    app_id = "1"
    """Of the first app of a registry."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._secret = ""

    @property
    def credentials(self) -> tuple[str, str]:
        return self.app_key, self._secret

    def command(self) -> list[str]:
        command = super().command()
        added = self._manage("add", "bench")
        self.app_key, self._secret = added["app_key"], added["app_secret"]
        self._manage("set", self.app_key, "client_events=true", "client_events_per_second=1000000")
        return command

    def prepare(self) -> None:
        """The app is there already."""

    def _manage(self, *words: str) -> dict[str, str]:
        """`pushery app ...`, and what it prints, a name and a value on each line."""
        argv = [sys.executable, "-m", "pushery", "app", *words, "--config", str(self.config)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=SETUP_S)
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise BenchError(f"pushery app {words[0]}: {reason[-1] if reason else 'no reason given'}")
        return {pair[0]: pair[1] for line in done.stdout.splitlines() if len(pair := line.split()) == 2}
