"""docs/reference/routes.md: every route of every dialect, from the table that the server dispatches by."""

from collections.abc import Iterable
from typing import Final

from docsite.markdown import code, page, table
from docsite.surface import surface
from pushery.core.effects import Route

_GROUPS: Final = {
    "pushery.dialects.gopusher": ("GoPusher", "[HTTP API](http-api.md), [WebSocket](websocket.md)"),
    "pushery.dialects.pusher": ("Pusher", "[Pusher HTTP API](pusher-http-api.md), [protocol](pusher-protocol.md)"),
    "pushery.dialects.admin": ("Admin API", "[Admin API](admin-api.md)"),
    "pushery.console": ("Console", "[Console API](console-api.md)"),
    "pushery.server.operations": ("Operations", "[HTTP API](http-api.md), [metrics](metrics.md)"),
}
"""By the module that answers: what its routes are called together, and where they are told at length."""

_INTRO: Final = """\
Everything that the server answers, on one page. It is written by the server's own table of routes, so nothing is
missing; what a route takes and answers is told on the pages named above each table.

- **Door** says where a route is found when clients and backends have an address each
  ([`admin_listen`](settings.md#admin_listen)): at the one for clients, at the one for backends, or at both. Without
  that setting there is one address for all.
- `{name}` is any one segment of the path, percent-decoded; `{name*}` is one or more, slashes included.
- Before a path that begins with `…` any further segments may stand: Pusher libraries with a `path` or `wsPath`, and
  proxies, put some there."""


def render() -> str:
    """The page."""
    routes = surface().routes
    names = dict.fromkeys(_group(route) for route in routes)
    return page("Routes", _INTRO, *(_section(name, [r for r in routes if _group(r) == name]) for name in names))


def _group(route: Route) -> str:
    """The module whose routes it is told with; one that we do not know yet stands for itself."""
    if route.path.startswith("/console/"):  # some of these are answered by the admin API
        return "pushery.console"
    module = route.handle.__module__
    return next((known for known in _GROUPS if module.startswith(known)), module)


def _section(group: str, routes: Iterable[Route]) -> str:
    title, where = _GROUPS.get(group, (group.rpartition(".")[2].capitalize(), ""))
    rows = [[route.method, code(_path(route)), route.door, route.summary] for route in routes]
    told = f"At length: {where}.\n\n" if where else ""
    return f"## {title}\n\n{told}{table(['Method', 'Path', 'Door', 'What it does'], rows)}"


def _path(route: Route) -> str:
    return f"…{route.path}" if route.prefixed else route.path
