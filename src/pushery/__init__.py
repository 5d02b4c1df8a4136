"""Pushery: a realtime push server. A backend says "push this to those"; every socket that should get it gets it."""

__version__ = "0.1.0"
