"""The brain of one running server: it does what the dialects ask for."""

from pushery.node.node import Node
from pushery.node.peers import Peer, Place

__all__ = ["Node", "Peer", "Place"]
