"""Pushery as an ASGI application: the same routes and sessions, on the sockets of somebody else's web server."""

from pushery.asgi.application import PusheryApp

__all__ = ["PusheryApp"]
