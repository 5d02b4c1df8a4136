"""The console's JSON API: what its pages ask for, of everything that the server knows.

Its users are those pages, and it may change with them; programs have the admin API and those of the dialects. Every
route goes by the session that the gate finds; nothing here knows a password.
"""

from pushery.console.api.api import Api

__all__ = ["Api"]
