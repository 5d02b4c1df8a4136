"""The composition root: the only place that names concrete adapters and puts a server together."""

from pushery.app.application import Application, Host, StartError
from pushery.app.run import run

__all__ = ["Application", "Host", "StartError", "run"]
