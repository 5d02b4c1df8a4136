"""Pushery: a realtime push server. A backend says "push this to those"; every socket that should get it gets it.

The public names are found when they are first asked for, so that `import pushery` reads no other module; their types
stand in `__init__.pyi`.
"""

import importlib

__version__ = "0.1.0"

_PLACES = {
    "App": "pushery.core.apps",
    "AppSettings": "pushery.core.appsettings",
    "ConfigError": "pushery.config",
    "Refused": "pushery.app.embedded",
    "Server": "pushery.app.embedded",
    "Settings": "pushery.config",
    "StartError": "pushery.app",
    "StorageError": "pushery.core.ports",
}

__all__ = ["__version__", *_PLACES]  # the public names, declared once


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'pushery' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(place), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
