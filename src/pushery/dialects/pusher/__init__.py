"""The Pusher Channels dialect: channels, presence, signatures, and libraries in every language."""

from pushery.dialects.pusher.messages import PusherVoice
from pushery.dialects.pusher.rest import PusherApi
from pushery.dialects.pusher.sockets import PusherSockets, SocketOptions

__all__ = ["PusherApi", "PusherSockets", "PusherVoice", "SocketOptions"]
