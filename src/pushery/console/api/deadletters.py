"""What an app's backend was not told: dead letters of webhooks, and what still waits to be sent.

Knows no outbox: it asks the port `DeadLetters`, and waits for what that says.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from pushery.core.effects import Later, Outcome, Route
from pushery.core.encoding import as_json
from pushery.core.exchange import Reply, Request
from pushery.core.ports import DeadLetters, Letter
from pushery.dialects.admin import Admin
from pushery.dialects.admin.reading import read_json, read_numbers
from pushery.dialects.admin.rest import PAGING

_LIMIT: Final = {"limit": PAGING["limit"]}


class _Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of dead letters; None is all that the app has."""

    ids: tuple[int, ...] | None


class _Told(msgspec.Struct, frozen=True):
    """What can be said of an event in a line."""

    name: str = "?"
    channel: str | None = None


class DeadLetterRoutes:
    """`admin` finds the app, for whom the gate lets look at it and change it."""

    def __init__(self, admin: Admin, letters: DeadLetters) -> None:
        self._admin = admin
        self._letters = letters

    def routes(self) -> list[Route]:
        """Every route of this part."""
        letters = "/console/api/apps/{app_key}/dead-letters"
        return [
            Route("GET", letters, self.show, "List the webhook events that were given up, and those that wait."),
            Route("POST", f"{letters}/replay", self.replay, "Send dead letters again."),
            Route("POST", f"{letters}/drop", self.drop, "Delete dead letters."),
        ]

    def show(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/apps/{app_key}/dead-letters"""
        key = self._admin.app_of(request, params).key
        [limit] = read_numbers(request, _LIMIT)

        async def reply() -> Reply:
            dead = await self._letters.dead_letters(key, limit)
            waiting = await self._letters.waiting(key, limit)
            rows = [{**_row(letter), "body": _text(letter.event)} for letter in dead]
            return _json({"dead": rows, "waiting": [_row(letter) for letter in waiting]})

        return Later(reply)

    def replay(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /console/api/apps/{app_key}/dead-letters/replay"""
        return self._with_chosen(request, params, self._letters.replay)

    def drop(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /console/api/apps/{app_key}/dead-letters/drop"""
        return self._with_chosen(request, params, self._letters.drop)

    def _with_chosen(
        self, request: Request, params: Mapping[str, str], act: Callable[[str, Sequence[int] | None], Awaitable[int]]
    ) -> Outcome:
        key = self._admin.app_of(request, params).key
        ids = read_json(request, _Chosen).ids

        async def reply() -> Reply:
            return _json({"count": await act(key, ids)})

        return Later(reply)


def told_by(event: bytes) -> _Told:
    """What an event's JSON says, as far as it can be read."""
    try:
        return msgspec.json.decode(event, type=_Told)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # an outbox outlives the version that wrote it
        return _Told()


def _row(letter: Letter) -> dict[str, object]:
    told = told_by(letter.event)
    return {
        "id": letter.id,
        "event": told.name,
        "channel": told.channel,
        "happened_ms": letter.created_ms,
        "attempts": letter.attempts,
        "error": letter.error,
        "url": letter.url,
    }


def _text(event: bytes) -> str:
    return event.decode(errors="replace")


def _json(value: object) -> Reply:
    return Reply(200, as_json(value))
