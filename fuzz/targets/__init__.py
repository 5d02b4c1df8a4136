"""One module for each parser. `target(data)` raises AssertionError where an invariant is broken, and whatever else the
parser lets out; `SEEDS` are inputs that reach its branches.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from fuzz.targets import configuration, deflate, frames, http, parameters, proxyprotocol, requests, sessions, xhr


class Target(NamedTuple):
    """What is run, and the inputs to begin with."""

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]


TARGETS: Final = {
    module.__name__.rpartition(".")[2]: Target(module.target, module.SEEDS)
    for module in (http, frames, deflate, sessions, parameters, requests, xhr, configuration, proxyprotocol)
}
