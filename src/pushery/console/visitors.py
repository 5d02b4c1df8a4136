"""Who is signed in to the console, and what they may see.

Sessions live in memory: a server that restarts has everybody sign in again. Time is an argument. Invariant: a visitor
may never do more than the account and password that they signed in with would still allow at this moment.
"""

import hmac
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from pushery.core.apps import App, Directory
from pushery.core.basicauth import credentials, match

IDLE_S: Final = 12 * 3600.0
"""How long a session lasts that nobody uses."""

MAX_SESSIONS: Final = 10_000
"""Sessions kept; past that the one that has been idle for longest ends."""

MAX_OF_ONE: Final = 100
"""Sessions kept of one account and password, so that an app's admin can sign nobody else out by signing in."""


class Visitor(msgspec.Struct):
    """Somebody who is signed in. `proof` is what they proved it with, as Basic auth would send it."""

    token: str
    """What their browser keeps in its cookie."""
    csrf: str
    """What their page sends along with every change, which no other page can know."""
    account: str
    proof: bytes
    seen: float
    """When they asked for something last, in monotonic seconds."""
    opens: str = ""
    """The key of an app that they have been seen to administer: looked at first, for there may be very many."""


class Visitors:
    """All sessions of one server."""

    def __init__(self, super_admin: bytes, directory: Directory, secret: Callable[[], str]) -> None:
        """`super_admin` as `credentials` makes it; `secret` draws names that nobody can guess."""
        self.super_admin = super_admin
        self._directory = directory
        self._secret = secret
        self._visitors: dict[str, Visitor] = {}
        """By token, in order of their last request."""

    def sign_in(self, account: str, password: str, now: float) -> Visitor | None:
        """A new session; None when these are neither the super admin's credentials nor those of an app's admin."""
        proof = credentials(account, password)
        visitor = Visitor(self._secret(), self._secret(), account, proof, now)
        if not self._opens(visitor):
            return None
        own = [token for token, each in self._visitors.items() if each.proof == proof]
        for token in own[: max(0, len(own) + 1 - MAX_OF_ONE)]:
            del self._visitors[token]
        while len(self._visitors) >= MAX_SESSIONS:
            del self._visitors[next(iter(self._visitors))]
        self._visitors[visitor.token] = visitor
        return visitor

    def sign_out(self, token: str) -> None:
        """End a session; harmless when there is none."""
        self._visitors.pop(token, None)

    def find(self, token: str, now: float) -> Visitor | None:
        """Who has this token, if their session still lasts."""
        visitor = self._visitors.pop(token, None)
        if visitor is None or now - visitor.seen > IDLE_S or not self._opens(visitor):
            return None
        visitor.seen = now
        self._visitors[token] = visitor
        return visitor

    def look(self, token: str, now: float) -> Visitor | None:
        """Who has this token, if their session still lasts and opens anything; looking is no request of theirs."""
        visitor = self._visitors.get(token)
        return visitor if visitor is not None and self.lasts(visitor, now) and self._opens(visitor) else None

    def lasts(self, visitor: Visitor, now: float) -> bool:
        """Whether their session has not ended."""
        return visitor.token in self._visitors and now - visitor.seen <= IDLE_S

    def is_operator(self, visitor: Visitor) -> bool:
        """Whether they have signed in as the super admin, and that still has this password."""
        return match(visitor.proof, self.super_admin)

    def administers(self, visitor: Visitor, app: App) -> bool:
        """Whether they may look at this app and change it."""
        return self.is_operator(visitor) or _is_admin(visitor.proof, app)

    def apps_of(self, visitor: Visitor) -> Mapping[str, App]:
        """The apps that they may see, by key, in order of registration."""
        if self.is_operator(visitor):
            return self._directory.apps
        return {key: app for key, app in self._directory.apps.items() if _is_admin(visitor.proof, app)}

    def _opens(self, visitor: Visitor) -> bool:
        """Whether there is anything to see for them."""
        apps = self._directory.apps
        known = apps.get(visitor.opens)
        if self.is_operator(visitor) or (known is not None and _is_admin(visitor.proof, known)):
            return True
        # Every one is compared, so that the time this takes tells nothing of the account.
        found = [key for key, app in apps.items() if _is_admin(visitor.proof, app)]
        visitor.opens = found[0] if found else ""
        return bool(found)


def _is_admin(proof: bytes, app: App) -> bool:
    return bool(proof) and hmac.compare_digest(proof, credentials(app.auth_account, app.auth_password))
