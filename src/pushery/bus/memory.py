"""The bus of nodes that live in one process: each `MemoryBus` is one node's end of a shared `Switchboard`."""

from collections.abc import Callable


class Switchboard:
    """What the ends are plugged into."""

    def __init__(self) -> None:
        self.ends: list[MemoryBus] = []


class MemoryBus:
    """One node's end. A server that runs alone has an switchboard to itself, and nobody to tell."""

    def __init__(self, switchboard: Switchboard | None = None) -> None:
        self._switchboard = switchboard or Switchboard()
        self._switchboard.ends.append(self)
        self._receive: Callable[[bytes], None] | None = None

    @property
    def has_peers(self) -> bool:
        """Whether another node would hear."""
        return len(self._switchboard.ends) > 1

    def send(self, envelope: bytes) -> None:
        """Hand the envelope to every other end, at once."""
        for end in self._switchboard.ends:
            if end is not self and end._receive is not None:
                end._receive(envelope)

    def attach(self, receive: Callable[[bytes], None]) -> None:
        """Name the function that takes what the others send."""
        self._receive = receive
