"""Puts the console's API together, and answers what is about the server and not about one app.

Invariant: the first thing that each route does is to ask the gate.
"""

from collections.abc import Mapping

from pushery import __version__
from pushery.console.api.apps import AppRoutes
from pushery.console.api.busiest import Busiest
from pushery.console.api.deadletters import DeadLetterRoutes
from pushery.console.api.online import OnlineRoutes
from pushery.console.api.publishing import PublishingRoutes
from pushery.console.api.schema import SCHEMA
from pushery.console.api.sockets import SocketRoutes
from pushery.console.gate import Gate
from pushery.console.options import ConsoleOptions
from pushery.console.readings import Readings
from pushery.console.visitors import Visitors
from pushery.core.effects import Later, Outcome, Route
from pushery.core.encoding import as_json
from pushery.core.exchange import Reply, Request
from pushery.core.ports import Clock, DeadLetters, IdSource
from pushery.dialects.admin import Admin, AdminOptions
from pushery.node import Node


class Api:
    """The API over a node, for whom `gate` lets in."""

    def __init__(
        self,
        options: ConsoleOptions,
        node: Node,
        gate: Gate,
        visitors: Visitors,
        readings: Readings,
        letters: DeadLetters,
        ids: IdSource,
        clock: Clock,
    ) -> None:
        directory = node.registry.directory
        self._gate = gate
        self._visitors = visitors
        self._readings = readings
        self._busiest = Busiest(node.hub, directory, clock.monotonic)
        self._options = options
        self._admin = Admin(_admin_options(options), directory, ids, clock, guard=gate)
        self._parts = (
            AppRoutes(self._admin, gate, visitors, node.hub, clock),
            OnlineRoutes(self._admin, node.hub, clock),
            SocketRoutes(self._admin, node.hub, clock),
            PublishingRoutes(self._admin),
            DeadLetterRoutes(self._admin, letters),
        )

    def configure(self, options: ConsoleOptions) -> None:
        """Go by these options from now on."""
        self._options = options
        self._admin.configure(_admin_options(options))

    def routes(self) -> list[Route]:
        """Every route of the API."""
        return [
            Route("GET", "/console/api/me", self.me, "Tell who is signed in, and where."),
            Route("GET", "/console/api/overview", self.overview, "Show the server's last five minutes."),
            Route("GET", "/console/api/busiest", self.busiest, "List the apps that have most to do."),
            Route("GET", "/console/api/schema", self.schema, "Describe the settings of an app."),
            *(route for part in self._parts for route in part.routes()),
        ]

    def me(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/me"""
        visitor = self._gate.visitor(request)
        is_operator = self._visitors.is_operator(visitor)
        answer = {
            "account": visitor.account,
            "operator": is_operator,
            "csrf": visitor.csrf,
            "version": __version__,
            "client_port": self._options.client_port,
            "tls": self._options.tls,
            "apps": [] if is_operator else list(self._visitors.apps_of(visitor)),
            "app_prefix": "",
        }
        return Reply(200, as_json(answer))

    def overview(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/overview"""
        self._gate.operator(request)
        return Reply(200, as_json({"readings": list(self._readings.kept)}))

    def busiest(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/busiest"""
        self._gate.operator(request)
        return Later(self._list_busiest)

    async def _list_busiest(self) -> Reply:
        return Reply(200, as_json({"apps": await self._busiest.find()}))

    def schema(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/schema"""
        self._gate.visitor(request)
        return Reply(200, SCHEMA)


def _admin_options(options: ConsoleOptions) -> AdminOptions:
    return AdminOptions(options.auth_account, options.auth_password, options.mask_passwords)
