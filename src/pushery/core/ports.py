"""What the house needs from outside, as contracts. Adapters live in `storage` and `bus`; `app` picks them.

A backend that is missing or unreachable is an error at start-up, never a silent fall-back.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from pushery.core.apps import App, AppDraft
from pushery.core.hookevents import HookEvent


class StorageError(Exception):
    """The registry cannot be opened, read or written. The message is one line for the operator."""


class AppStore(Protocol):
    """The durable registry of apps.

    Every call blocks and may come from any one thread at a time; the caller keeps them off the event loop.
    Any call may raise `StorageError`.
    """

    def load(self) -> Sequence[App]:
        """All apps in order of registration."""

    def add(self, draft: AppDraft, given_id: str | None = None) -> App:
        """Register. When this returns, the app survives kill -9 and loss of power.

        Without `given_id` the registry makes an id: no app has it, and it has made it for none before. Raises `Refusal`
        (409): `key_taken` when an app is called by this key or has it among its valid ones, `id_taken` when an app has
        the id that is given. Of two that ask for the same at once, one gets it.
        """

    def change(self, key: str, edit: Callable[[App], App]) -> App | None:
        """Make of the app what `edit` makes of it: its name, administrator, settings and keys may differ.

        The app is read and written in one transaction, so that of two changes neither is lost. Durable when this
        returns; None when there is no such app. Whatever `edit` raises is raised, and nothing has changed.
        """

    def remove(self, key: str) -> bool:
        """Unregister for good. False when no such app was there."""

    def revision(self) -> int:
        """A number that changes whenever somebody else (another process) has changed the registry."""

    def close(self) -> None:
        """Let go of the file. No call may follow."""


class Bus(Protocol):
    """How nodes hear each other's publications.

    Order: what one node sends arrives at every other node in that order. Nothing is said about the order between
    two senders. Loss: an envelope may be lost when a node is unreachable; it never arrives twice.
    A node does not hear itself.
    """

    @property
    def has_peers(self) -> bool:
        """False when nobody would hear: then the caller need not even encode."""

    def send(self, envelope: bytes) -> None:
        """Hand over an envelope. Does not block and does not wait for delivery."""

    def attach(self, receive: Callable[[bytes], None]) -> None:
        """Name the one function that takes envelopes from other nodes."""


class Clock(Protocol):
    """The time, so that tests can hold it still."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""

    def wall_ms(self) -> int:
        """Unix time in milliseconds."""


class IdSource(Protocol):
    """Names that nobody can guess."""

    def app_key(self) -> str:
        """32 lower-case hex characters."""

    def secret(self) -> str:
        """40 lower-case hex characters."""

    def publication_id(self) -> str:
        """Unique over all nodes; need not be unguessable, must be cheap."""

    def socket_id(self) -> str:
        """Two numbers of at most ten digits with a dot between, unique over all nodes."""


class Hooks(Protocol):
    """Tells the backends of apps what happens. Order: of one channel, what is handed over first is told first."""

    def happened(self, app: App, event: HookEvent) -> None:
        """Take an event of an app that has webhooks. Returns at once and never raises: it stands on the hot path."""


class Letter(Protocol):
    """Something that an app's webhook is to be told, or was not told in the end."""

    @property
    def id(self) -> int:
        """Its number; those that were given up are numbered anew."""

    @property
    def url(self) -> str:
        """Where it goes."""

    @property
    def created_ms(self) -> int:
        """When it happened, unix time in milliseconds."""

    @property
    def event(self) -> bytes:
        """What it says, as JSON."""

    @property
    def attempts(self) -> int:
        """How often it was sent."""

    @property
    def error(self) -> str:
        """Why it was not accepted the last time; "" when it was not sent yet."""


class DeadLetters(Protocol):
    """What became of webhooks. Every call may raise `StorageError`, and concerns the app's letters only."""

    async def dead_letters(self, app_key: str, limit: int) -> Sequence[Letter]:
        """What was given up, oldest first."""

    async def waiting(self, app_key: str, limit: int) -> Sequence[Letter]:
        """What waits for delivery or is under way, oldest first."""

    async def replay(self, app_key: str, ids: Sequence[int] | None) -> int:
        """Send dead letters again, None: all; returns how many."""

    async def drop(self, app_key: str, ids: Sequence[int] | None) -> int:
        """Delete dead letters, None: all; returns how many."""


class ConnectHooks(Protocol):
    """Asks the backends of apps who may connect. What holds up one app's backend holds up that app's clients only."""

    async def admits(self, app_key: str, url: str, token: str, tag: str) -> bool:
        """Whether the backend at `url` says that `tag` is what belongs to `token`. Takes a bounded time; never raises.

        Cancelled, it asks no more.
        """
