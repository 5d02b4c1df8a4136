"""The admin API: apps, their settings and their keys, as JSON for the super admin."""

from pushery.dialects.admin.rest import Admin, AdminOptions

__all__ = ["Admin", "AdminOptions"]
