from pushery.app import StartError as StartError
from pushery.app.embedded import Refused as Refused
from pushery.app.embedded import Server as Server
from pushery.config import ConfigError as ConfigError
from pushery.config import Settings as Settings
from pushery.core.apps import App as App
from pushery.core.appsettings import AppSettings as AppSettings
from pushery.core.ports import StorageError as StorageError

__version__: str

__all__ = [
    "App",
    "AppSettings",
    "ConfigError",
    "Refused",
    "Server",
    "Settings",
    "StartError",
    "StorageError",
    "__version__",
]
