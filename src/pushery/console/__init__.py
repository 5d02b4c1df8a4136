"""The console: a page for operators and for the admins of apps, its API, and its live feed."""

from pushery.console.console import Console
from pushery.console.options import ConsoleOptions

__all__ = ["Console", "ConsoleOptions"]
