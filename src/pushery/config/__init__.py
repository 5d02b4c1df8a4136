"""The server's settings: declared once, loaded from flags, environment and file, checked against the world.

Knows what a setting is called and which values it takes; what the server does with it is told elsewhere.
Invariant: the `Settings` that `load` returns hold values of the right type and within their bounds.
"""

from pushery.config.address import Address
from pushery.config.check import check, check_warnings, log_file
from pushery.config.declaration import Setting
from pushery.config.loader import ConfigError, load
from pushery.config.settings import SETTINGS, Settings, reloaded
from pushery.config.template import render_default_config

__all__ = [
    "SETTINGS",
    "Address",
    "ConfigError",
    "Setting",
    "Settings",
    "check",
    "check_warnings",
    "load",
    "log_file",
    "reloaded",
    "render_default_config",
]
