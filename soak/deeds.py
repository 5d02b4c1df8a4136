"""What operators do meanwhile, and clients that cannot keep up: each deed with what must come of it."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Final

from soak.backend import Line, basic, request, signed
from soak.channelclients import ChannelClient
from soak.clients import CLOSE_S, TagClient
from soak.crowd import Crowd
from soak.hooks import EVENTS, HookLog
from soak.model import NEVER, Ledger
from soak.process import ADMIN
from soak.publishing import PRESENCE, Publisher, kind_of
from soak.world import App, World

APP_SETTINGS: Final = {
    "client_events": True,
    "client_events_per_second": 100_000,
    "user_authentication": True,
    "subscription_count": False,
    "max_event_bytes": 64 * 1024,
}
_JSON: Final = "Content-Type: application/json\r\n"
_LARGE: Final = 24 * 1024
_FLOOD: Final = 600
"""Large pushes after which a reader that reads nothing must have been closed."""


class Deeds:
    """All of them. `line` is the operator's own connection."""

    def __init__(self, world: World, crowd: Crowd, publisher: Publisher, line: Line) -> None:
        self._world = world
        self._crowd = crowd
        self._publisher = publisher
        self._line = line
        self._random = world.random
        self._slow = 0
        self._generation = 0

    async def admin(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        """A request of the super admin, which must be answered with `status`."""
        data = b"" if body is None else json.dumps(body).encode()
        answer = await self._line.ask(request(method, path, data, headers=basic(ADMIN) + _JSON))
        if answer.status != status:
            self._world.report(f"{method} {path} was answered {answer.status}: {answer.body[:300]!r}")
            return {}
        return answer.json

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for it, or for the end of the run. What takes too long the clients themselves report."""
        while not condition() and not self._world.violation:  # noqa: ASYNC110  # it is about many clients
            await asyncio.sleep(0.05)

    async def register(self, name: str, *, gopusher: bool, pusher: bool, hooks: HookLog | None = None) -> App:
        """A new app."""
        settings: dict[str, object] = {**APP_SETTINGS, "gopusher": gopusher, "pusher": pusher}
        if hooks is not None:
            settings |= {"webhooks": [{"url": hooks.url, "events": EVENTS}], "batch_webhooks": True}
        row = await self.admin("POST", "/api/admin/apps", {"name": name, "settings": settings}, 201)
        ledger = Ledger(name, self._world.clock, self._world.publications)
        auth = (row["auth_account"], row["auth_password"])
        secret = row["keys"][0]["secret"]
        app = App(name, row["app_key"], row["app_id"], secret, auth, gopusher, pusher, ledger)
        app.first_key, app.passing = app.key, name.startswith("short")
        if hooks is not None:
            hooks.belongs_to(app)
        self._world.apps.append(app)
        return app

    async def recycle(self, app: App) -> None:
        """Unregister an app with everybody on it, see that nobody gets in any more, and register another."""
        self._world.done["unregister"] += 1
        app.gone = True
        clients = [client for client in self._crowd.clients if client.app is app]
        for client in clients:
            client.may_be_refused = (404,)
            client.doom(4001)
        await self.admin("DELETE", f"/api/admin/apps/{app.key}")
        await self._refused_clients(app)
        await self._until(lambda: all(client.finished for client in clients))
        self._generation += 1
        self._world.apps.remove(app)
        await self.register(f"short-{self._generation}", gopusher=True, pusher=True)

    async def _refused_clients(self, app: App) -> None:
        """Who comes to an app that is no more."""
        tagged = TagClient(self._world, app, self._crowd.name(), "A:1")
        tagged.may_be_refused, tagged.over = (404,), True
        await tagged.socket.connect(self._world.address)
        self._world.explained["unknown_app"] += 1
        client = ChannelClient(self._world, app, self._crowd.name(), "u1")
        client.doomed, client.over = (4001,), True
        self._crowd.take_in(client)

    async def terminate(self) -> None:
        """Close all connections of a user."""
        apps = [app for app in self._world.apps if app.pusher and not app.gone]
        app = self._random.choice(apps)
        clients = [c for c in self._crowd.clients if isinstance(c, ChannelClient) and c.app is app]
        users = sorted({c.user_id for c in clients if c.signed_in} - {c.user_id for c in clients if c.signing_in})
        if not users:
            return
        self._world.done["terminate a user"] += 1
        user = self._random.choice(users)
        app.terminating.add(user)
        for client in clients:
            if client.user_id == user and client.signed_in:
                client.doom(4009)
        path = f"/apps/{app.id}/users/{user}/terminate_connections"
        answer = await self._line.ask(signed(app.key, app.secret, "POST", path, b"{}"))
        app.terminating.discard(user)
        if answer.status != 200 and not app.gone:
            self._world.report(f"terminating {user} was answered {answer.status}: {answer.body[:200]!r}")
        elif answer.status != 200:
            self._world.explained[kind_of(answer)] += 1

    async def switch_client_events(self) -> None:
        """Forbid client events for a moment, and allow them again."""
        app = self._random.choice([app for app in self._world.apps if app.pusher and not app.gone and not app.changing])
        self._world.done["change settings"] += 1
        for value in (False, True):
            app.changing = True
            for client in list(self._crowd.clients):
                if isinstance(client, ChannelClient) and client.app is app:
                    client.doubt_relays()
            changed = {"settings": {"client_events": value, "cache_ttl": self._random.randint(1000, 2000)}}
            if app.gone:
                return
            answer = await self._line.ask(
                request("PATCH", f"/api/admin/apps/{app.first_key}", json.dumps(changed).encode(),
                        headers=basic(ADMIN) + _JSON)
            )  # fmt: skip
            if answer.status != 200:
                self._gone_meanwhile(app, answer.status, kind_of(answer))
                return
            app.client_events, app.changing = value, False
            app.changed_s = time.monotonic()
            await asyncio.sleep(0.3)

    def _gone_meanwhile(self, app: App, status: int, kind: str) -> None:
        if not app.gone:
            self._world.report(f"changing {app.name} was answered {status} {kind}")
        self._world.explained[kind] += 1

    async def rotate(self, app: App) -> None:
        """A new key; those who use the old one go on for a while, and then nobody comes in with it."""
        self._world.done["rotate keys"] += 1
        new = await self.admin("POST", f"/api/admin/apps/{app.first_key}/keys", status=201)
        old, old_secret = app.key, app.secret
        app.key, app.secret = new["key"], new["secret"]
        await self._done_with_the_old_key(app)
        await self.admin("DELETE", f"/api/admin/apps/{app.first_key}/keys/{old}")
        answer = await self._line.ask(signed(old, old_secret, "GET", f"/apps/{app.id}/channels"))
        self._world.explained[kind_of(answer)] += 1
        if answer.status != 401:
            self._world.report(f"a request with a revoked key was answered {answer.status}: {answer.body[:200]!r}")
        client = ChannelClient(self._world, app, self._crowd.name(), "u1", key=old)
        client.doomed, client.over = (4001,), True
        self._crowd.take_in(client)

    async def _done_with_the_old_key(self, app: App) -> None:
        """Wait until whatever was signed with the key before, or connects with it, has its answer."""
        publications = list(app.ledger.under_way)
        clients = [client for client in self._crowd.clients if client.app is app]
        joining = [member for client in clients for member in client.members() if member.joined == NEVER]
        signing = [client for client in clients if isinstance(client, ChannelClient) and client.signing_in]
        await self._until(lambda: all(client.open or client.finished for client in clients))
        await self._until(lambda: all(each.joined != NEVER or each.ended or each.abrupt for each in joining))
        await self._until(lambda: all(not client.signing_in or client.finished for client in signing))
        await self._until(lambda: all(each.answered != NEVER for each in publications))
        await asyncio.sleep(0.5)

    async def slow_reader(self, app: App) -> None:
        """A client that stops reading, and is closed with 4101 while nobody else notices."""
        self._world.done["slow reader"] += 1
        self._slow += 1
        tag = f"slow-{self._slow}"
        client = TagClient(self._world, app, self._crowd.name(), tag)
        client.fickle, client.may_close = True, (4101,)
        self._crowd.take_in(client, window=4096)
        await self._until(lambda: client.open or client.finished)
        if not client.open:
            return
        client.socket.pause()
        client.note("reads no more")
        for _ in range(_FLOOD):
            future = self._publisher.push(app, f"^{tag}$", f"push to {tag}", lambda m: m.name == tag, "x" * _LARGE)
            answer = await future
            if answer.status != 200 or answer.json["total"] == "0":
                break
        else:
            client.violated(f"{client.name} reads nothing, and was not closed after {_FLOOD * _LARGE // 1024} KiB")
        client.note("reads again")
        client.over, client.deadline_s = True, time.monotonic() + CLOSE_S
        client.socket.resume()
        await self._until(lambda: client.finished)
        if client.closed_with is None or client.closed_with[0] != 4101:
            client.violated(f"{client.name} was too slow, and was told {client.closed_with} instead of 4101")

    async def ask_users(self) -> None:
        """Who is present, says the server."""
        app = self._random.choice([app for app in self._world.apps if app.pusher and not app.gone])
        self._world.done["ask who is present"] += 1
        await self._crowd.check_users(app, self._random.choice(PRESENCE), self._line)
