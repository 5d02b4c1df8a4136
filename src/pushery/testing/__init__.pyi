from pushery.testing.account import TestingApp as TestingApp
from pushery.testing.clients import ChannelClient as ChannelClient
from pushery.testing.clients import Received as Received
from pushery.testing.clients import TagClient as TagClient
from pushery.testing.recorder import Pushed as Pushed
from pushery.testing.recorder import Recorder as Recorder
from pushery.testing.server import RunningServer as RunningServer
from pushery.testing.server import run_server as run_server

__all__ = [
    "ChannelClient",
    "Pushed",
    "Received",
    "Recorder",
    "RunningServer",
    "TagClient",
    "TestingApp",
    "run_server",
]
