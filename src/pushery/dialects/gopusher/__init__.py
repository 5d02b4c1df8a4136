"""The GoPusher dialect: tags, Basic auth, and a message that arrives exactly as it was pushed."""

from pushery.dialects.gopusher.rest import GoPusher, GoPusherOptions

__all__ = ["GoPusher", "GoPusherOptions"]
