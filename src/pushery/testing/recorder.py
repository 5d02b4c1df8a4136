"""What was pushed, as values to assert about: nobody has to be connected or subscribed.

A `Tap` stands where a server's bus stands, so it hears what another server beside it would have to know: whatever was
accepted, by HTTP, from the process itself or from a client, and nothing that was refused. Invariant: what a backend has
got its answer for is recorded.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pushery.core.patterns import compile_pattern
from pushery.core.publications import ChannelEvent, Published, PublishedEvents, decode_envelope
from pushery.testing.clients import TIMEOUT_S, decoded

_ANY: Final = object()
_LONGEST: Final = 200
"""Characters of a push that a failure shows."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A text pushed to tags, or an event published to one channel: of an event to several there is one for each.

    `data` is `text` decoded, where that is JSON. `pattern` is set where tags, or channels, were chosen by one.
    """

    app_key: str
    text: str
    data: Any
    channel: str = ""
    event: str = ""
    pattern: str | None = None
    user_id: str | None = None
    """The member of a presence channel who sent it."""
    by_client: bool = False
    """Whether a client sent it, and no backend."""

    def reaches_tag(self, tag: str) -> bool:
        """Whether a client with this tag gets it."""
        return not self.event and (self.pattern is None or compile_pattern(self.pattern).matches(tag))

    def reaches_channel(self, channel: str) -> bool:
        """Whether the subscribers of this channel get it."""
        if not self.event:
            return False
        return channel == self.channel if self.pattern is None else compile_pattern(self.pattern).matches(channel)

    def __str__(self) -> str:
        text = self.text if len(self.text) <= _LONGEST else f"{self.text[:_LONGEST]}…"
        if self.event:
            where = f"channel {self.channel!r}" if self.pattern is None else f"channels matching {self.pattern!r}"
            return f"event {self.event!r} to {where}: {text}"
        return f"text to {'everybody' if self.pattern is None else f'tags matching {self.pattern!r}'}: {text}"


class Recorder:
    """What has been pushed since it began, in order; of one app, or of all with `app_key` "".

    What is asked for is described by any of: `event`, `channel`, `data` (as decoded), `text`, and `tag`, which fits
    whatever a client with this tag would have got.
    """

    def __init__(self, app_key: str = "") -> None:
        self._app_key = app_key
        self._changed = threading.Condition()
        self._events: list[Pushed] = []

    @property
    def events(self) -> list[Pushed]:
        """Everything so far."""
        with self._changed:
            return list(self._events)

    def __iter__(self) -> Iterator[Pushed]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def find(
        self,
        event: str | None = None,
        channel: str | None = None,
        *,
        data: object = _ANY,
        text: str | None = None,
        tag: str | None = None,
    ) -> list[Pushed]:
        """What has been pushed so far that fits."""
        return list(filter(_Wanted(event, channel, data, text, tag), self.events))

    def wait_for(
        self,
        event: str | None = None,
        channel: str | None = None,
        *,
        data: object = _ANY,
        text: str | None = None,
        tag: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Pushed:
        """The first that fits, which may have been pushed already. Raises AssertionError when none comes in time."""
        wanted = _Wanted(event, channel, data, text, tag)
        end = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = next(filter(wanted, self._events), None)
                if found is not None:
                    return found
                if not self._changed.wait(end - time.monotonic()):
                    break
        raise AssertionError(f"nothing was pushed with {wanted} within {timeout_s:g} s. {self._told()}")

    def assert_pushed(
        self,
        event: str | None = None,
        channel: str | None = None,
        *,
        data: object = _ANY,
        text: str | None = None,
        tag: str | None = None,
        times: int | None = None,
    ) -> Pushed:
        """What fits has been pushed already: `times` times, or at least once. Returns the first of it."""
        wanted = _Wanted(event, channel, data, text, tag)
        found = list(filter(wanted, self.events))
        assert found or times == 0, f"nothing was pushed with {wanted}. {self._told()}"
        assert times in (None, len(found)), f"pushed {len(found)} times, not {times}, with {wanted}. {self._told()}"
        return found[0]

    def assert_not_pushed(
        self,
        event: str | None = None,
        channel: str | None = None,
        *,
        data: object = _ANY,
        text: str | None = None,
        tag: str | None = None,
    ) -> None:
        """Nothing that fits has been pushed so far; without any description, nothing at all."""
        wanted = _Wanted(event, channel, data, text, tag)
        assert not any(map(wanted, self.events)), f"something was pushed with {wanted}. {self._told()}"

    def clear(self) -> None:
        """Forget what has been pushed so far."""
        with self._changed:
            self._events.clear()

    def take(self, pushed: Pushed) -> None:
        """Note one more; the tap does."""
        if self._app_key in ("", pushed.app_key):
            with self._changed:
                self._events.append(pushed)
                self._changed.notify_all()

    def _told(self) -> str:
        lines = [f"\n  {number}. {pushed}" for number, pushed in enumerate(self.events, 1)]
        return f"What was pushed:{''.join(lines)}" if lines else "Nothing at all was pushed."


class _Wanted:
    """A description of a push."""

    def __init__(self, event: str | None, channel: str | None, data: object, text: str | None, tag: str | None) -> None:
        given: dict[str, tuple[object, Callable[[Pushed], bool]]] = {
            "event": (event, lambda pushed: pushed.event == event),
            "channel": (channel, lambda pushed: pushed.reaches_channel(channel or "")),
            "text": (text, lambda pushed: pushed.text == text),
            "tag": (tag, lambda pushed: pushed.reaches_tag(tag or "")),
        }
        self._asked = {name: asked for name, asked in given.items() if asked[0] is not None}
        if data is not _ANY:
            self._asked["data"] = data, lambda pushed: pushed.data == data

    def __call__(self, pushed: Pushed) -> bool:
        return all(fits(pushed) for _, fits in self._asked.values())

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, (value, _) in self._asked.items()) or "anything at all"


class Tap:
    """A `Bus` at whose other end recorders stand. Its methods are called on the server's thread, the others on any."""

    def __init__(self) -> None:
        self._recorders: tuple[Recorder, ...] = ()

    @property
    def has_peers(self) -> bool:
        """Whether anybody records."""
        return bool(self._recorders)

    def send(self, envelope: bytes) -> None:
        """Have it recorded."""
        for pushed in _read(envelope):
            for recorder in self._recorders:
                recorder.take(pushed)

    def attach(self, receive: Callable[[bytes], None]) -> None:
        """Nothing ever comes from the other end."""

    def add(self, recorder: Recorder) -> None:
        """Let this one hear too."""
        self._recorders = (*self._recorders, recorder)

    def remove(self, recorder: Recorder) -> None:
        """This one has heard enough."""
        self._recorders = tuple(one for one in self._recorders if one is not recorder)


def _read(data: bytes) -> Iterator[Pushed]:
    envelope = decode_envelope(data)
    if isinstance(envelope, Published):
        publication = envelope.publication
        text = publication.text.decode()
        yield Pushed(publication.app_key, text, decoded(text), pattern=publication.pattern)
    elif isinstance(envelope, PublishedEvents):
        for event in envelope.events:
            yield from _of_event(envelope.app_key, event)


def _of_event(app_key: str, event: ChannelEvent) -> Iterator[Pushed]:
    for channel in event.channels or ("",):
        yield Pushed(
            app_key=app_key,
            text=event.data,
            data=decoded(event.data),
            channel=channel,
            event=event.event,
            pattern=event.pattern,
            user_id=event.user_id,
            by_client=not event.cached,
        )
