"""Apps and their keys: the admin API's routes under the console's roof, and a list with what goes on in each app."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pushery.console.api.slices import SLICE, gather
from pushery.console.gate import Gate
from pushery.console.visitors import Visitors
from pushery.core.apps import App
from pushery.core.effects import Later, Outcome, Route
from pushery.core.encoding import as_json
from pushery.core.exchange import Reply, Request
from pushery.core.hub import Hub
from pushery.core.ports import Clock
from pushery.dialects.admin import Admin
from pushery.dialects.admin.reading import read_numbers, read_text
from pushery.dialects.admin.rest import OPERATIONS, PAGING

_THEIRS: Final = "/api/admin/apps"
_OURS: Final = "/console/api/apps"


class AppRoutes:
    """`admin` has the gate for its guard."""

    def __init__(self, admin: Admin, gate: Gate, visitors: Visitors, hub: Hub, clock: Clock) -> None:
        self._admin = admin
        self._gate = gate
        self._visitors = visitors
        self._hub = hub
        self._clock = clock

    def routes(self) -> list[Route]:
        """The list is ours; all else about apps and keys is as the admin API does it."""
        return [
            Route("GET", _OURS, self.list_apps, "List the apps, with what goes on in each."),
            *(
                Route(each.method, each.path.replace(_THEIRS, _OURS), getattr(self._admin, each.handler), each.summary)
                for each in OPERATIONS
                if each.path.startswith(_THEIRS) and each.handler != "list_apps"
            ),
        ]

    def list_apps(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/apps"""
        visitor = self._gate.visitor(request)
        limit, offset = read_numbers(request, PAGING)
        apps, text = list(self._visitors.apps_of(visitor).values()), read_text(request, "search").strip().casefold()
        return Later(lambda: self._search(apps, text, limit, offset)) if text else self._page(apps, limit, offset)

    async def _search(self, apps: Sequence[App], text: str, limit: int, offset: int) -> Reply:
        found, _ = await gather(matching_apps(apps, text), self._clock.monotonic)
        return self._page(found, limit, offset)

    def _page(self, found: Sequence[App], limit: int, offset: int) -> Reply:
        page = [self._row(app) for app in found[offset : offset + limit]]
        answer = {"total": len(found), "limit": limit, "offset": offset, "apps": page}
        return Reply(200, as_json(answer))

    def _row(self, app: App) -> dict[str, object]:
        crowd = self._hub.look(app.key)
        now = {"connections": len(crowd), "pushes": crowd.pushes, "messages_out": crowd.messages_out}
        return {**self._admin.shown(app), "now": now}


def matching_apps(apps: Sequence[App], text: str) -> Iterator[list[App]]:
    """Those with the text (case folded) in their name, their id, their account or a key, slice by slice."""
    for start in range(0, len(apps), SLICE):
        yield [app for app in apps[start : start + SLICE] if any(text in name.casefold() for name in _names(app))]


def _names(app: App) -> tuple[str, ...]:
    return (app.name, app.id, app.auth_account, app.key, *(pair.key for pair in app.keys))
