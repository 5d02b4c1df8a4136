"""A real server for the tests of programs that push: start it, push to it, and see what was pushed.

    with run_server() as server, server.record() as pushed:
        place_order(server.pusher_client())
        pushed.wait_for(event="order-paid", channel="orders")

`pushery.testing.plugin` has the same as pytest fixtures. The names are found when they are first asked for, so that the
plugin costs nothing where it is not used; their types stand in `__init__.pyi`.
"""

import importlib

_PLACES = {
    "ChannelClient": "pushery.testing.clients",
    "Pushed": "pushery.testing.recorder",
    "Received": "pushery.testing.clients",
    "Recorder": "pushery.testing.recorder",
    "RunningServer": "pushery.testing.server",
    "TagClient": "pushery.testing.clients",
    "TestingApp": "pushery.testing.account",
    "run_server": "pushery.testing.server",
}

__all__ = [*_PLACES]


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'pushery.testing' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(place), name)
    return value
