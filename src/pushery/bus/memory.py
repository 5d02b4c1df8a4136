"""The bus of nodes that live in one process: each `MemoryBus` is one node's end of a shared `Exchange`."""

from collections.abc import Callable


class Exchange:
    """What the ends are plugged into."""

    def __init__(self) -> None:
        self.ends: list[MemoryBus] = []


class MemoryBus:
    """One node's end. A server that runs alone has an exchange to itself, and nobody to tell."""

    def __init__(self, exchange: Exchange | None = None) -> None:
        self._exchange = exchange or Exchange()
        self._exchange.ends.append(self)
        self._receive: Callable[[bytes], None] | None = None

    @property
    def has_peers(self) -> bool:
        """Whether another node would hear."""
        return len(self._exchange.ends) > 1

    def send(self, envelope: bytes) -> None:
        """Hand the envelope to every other end, at once."""
        for end in self._exchange.ends:
            if end is not self and end._receive is not None:
                end._receive(envelope)

    def attach(self, receive: Callable[[bytes], None]) -> None:
        """Name the function that takes what the others send."""
        self._receive = receive
