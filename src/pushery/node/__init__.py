"""The brain of one running server: it does what the dialects ask for."""

from pushery.node.node import Node, Peer

__all__ = ["Node", "Peer"]
