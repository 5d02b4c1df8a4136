"""Who may call the routes of the admin API: a question that is answered apart from what they do.

The API itself asks for the super admin by HTTP Basic; whoever offers the same routes in another way, as the console
does to those who have signed in, brings a guard of his own.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeAlias

from pushery.core.apps import App
from pushery.core.basicauth import match, name_of, sent_credentials, unauthorized
from pushery.core.exchange import Request

Still: TypeAlias = Callable[[App], bool]
"""Whether whoever asked may change an app that was theirs then, as it is now. May be called on any thread."""


class Guard(Protocol):
    """Raises `Refusal` where somebody may not; authentication comes before existence."""

    def operator(self, request: Request) -> None:
        """Whoever asks may do anything."""

    def administrator(self, request: Request, app: App | None) -> None:
        """Whoever asks may look at this app and change it; None is an app that is not there."""

    def still(self, request: Request) -> Still:
        """For the moment of the change: what was asked for waits its turn, and others have changed the app before."""

    def listed(self, request: Request, apps: Sequence[App]) -> Sequence[App]:
        """Those of the apps that whoever asks may see."""

    def setter(self, request: Request, names: Collection[str]) -> None:
        """Whoever asks may change these settings of an app that he may change."""


class BasicGuard:
    """Lets the super admin in, who sends "account:password" by HTTP Basic, and nobody else."""

    def __init__(self, super_admin: bytes) -> None:
        """`super_admin` as `core.basicauth.credentials` makes it."""
        self._super_admin = super_admin

    def operator(self, request: Request) -> None:
        """Only the super admin is one."""
        sent = sent_credentials(request)
        if not match(sent, self._super_admin):
            raise unauthorized()
        request.verified = name_of(sent)

    def administrator(self, request: Request, app: App | None) -> None:
        """The super admin administers every app."""
        self.operator(request)

    def still(self, request: Request) -> Still:
        """Every app stays the super admin's."""
        return _always

    def listed(self, request: Request, apps: Sequence[App]) -> Sequence[App]:
        """All of them."""
        return apps

    def setter(self, request: Request, names: Collection[str]) -> None:
        """The super admin may set anything."""


def _always(app: App) -> bool:
    return True
