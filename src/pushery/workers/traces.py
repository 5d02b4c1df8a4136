"""What requests of hooks tell whoever traces them: ports that the composition root fills, or leaves empty.

Knows no library for traces. Invariant: without somebody who traces, a request costs one look more.
"""

from collections.abc import Mapping
from typing import Protocol


class HookTrace(Protocol):
    """One request that is traced."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What to send with it, so that its receiver goes on with the trace. Names are in lower case."""

    def end(self, status: int, error: str) -> None:
        """It is over: answered with `status`, 0 when not at all. `error` says why it failed; "" when it has not."""


class HookTraces(Protocol):
    """Called in the threads of the hooks, several at a time."""

    def begin(self, kind: str, app_key: str, url: str, *, events: int = 0, sent_before: int = 0) -> HookTrace | None:
        """A request is about to be sent; None when it is not traced.

        `kind` is "webhook" or "connect_hook". `events` is how many a webhook is told, and `sent_before` how often the
        one of them was sent already that was sent most often.
        """
