"""Sockets that may not stay for ever: each has a timer that closes it when its time is over.

A delay runs on the loop's clock, which no step of the wall clock moves. Invariant: who is not in has no timer, so that
nothing is kept of sockets that have left, and nothing at all for those that may stay.
"""

import asyncio

from pushery.core.effects import CloseLater
from pushery.node.peers import Peer


class Passing:
    """The timers of one node."""

    __slots__ = ("timers",)

    def __init__(self) -> None:
        self.timers: dict[Peer, asyncio.TimerHandle] = {}

    def close_later(self, peer: Peer, effect: CloseLater) -> None:
        """Close a socket in a while; one that has not been let in has been told so already."""
        if peer.place is not None:
            loop = asyncio.get_running_loop()
            self.timers[peer] = loop.call_later(effect.after_s, peer.close, effect.close)

    def left(self, peer: Peer) -> None:
        """It need not be closed any more."""
        timer = self.timers.pop(peer, None)
        if timer is not None:
            timer.cancel()
