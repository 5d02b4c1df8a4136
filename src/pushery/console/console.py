"""Puts the console together: pages, sign-in, API and feed, as routes of the server it stands in.

It listens nowhere and touches no socket: what it has to say goes through the node, as everything else does.
"""

from pushery.console.api import Api
from pushery.console.feed import Feed, own_app
from pushery.console.gate import Gate
from pushery.console.options import ConsoleOptions
from pushery.console.pages import Pages
from pushery.console.readings import Readings
from pushery.console.visitors import Visitors
from pushery.core.backlog import Backlog
from pushery.core.basicauth import credentials
from pushery.core.effects import Route
from pushery.core.guesses import Guesses
from pushery.core.ports import Clock, DeadLetters, IdSource
from pushery.node import Node


class Console:
    """One server's console. `guesses` are those of the server's doors."""

    def __init__(
        self,
        options: ConsoleOptions,
        node: Node,
        backlog: Backlog,
        guesses: Guesses,
        letters: DeadLetters,
        ids: IdSource,
        clock: Clock,
    ) -> None:
        super_admin = credentials(options.auth_account, options.auth_password)
        self.options = options
        self._visitors = Visitors(super_admin, node.registry.directory, ids.secret)
        self._gate = Gate(self._visitors, Pages(), guesses, ids, clock)
        self._readings = Readings(node.stats, node.hub, backlog, own_app().key)
        self._feed = Feed(node, self._gate, self._visitors, self._readings, ids, clock)
        self._api = Api(options, node, self._gate, self._visitors, self._readings, letters, ids, clock)

    def routes(self) -> list[Route]:
        """Every route of the console."""
        return [*self._gate.routes(), *self._api.routes(), *self._feed.routes()]

    def configure(self, options: ConsoleOptions) -> None:
        """Go by these options from now on."""
        self.options = options
        self._api.configure(options)
        self._visitors.super_admin = credentials(options.auth_account, options.auth_password)

    async def run(self) -> None:
        """Keep the pages informed, for ever."""
        await self._feed.run()
