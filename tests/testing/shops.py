"""The example programs of examples/python, loaded into the test's own process beside a test server."""

import importlib
import importlib.util
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from pushery.testing import TestingApp

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"
DJANGO = EXAMPLES / "django_shop"

_numbers = itertools.count(1)
"""Celery wants every task of a process to have a name of its own, which begins with that of its module."""


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Have these variables while the block runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def pusher_environment(app: TestingApp) -> dict[str, str]:
    """What the examples want to be told of an app."""
    return {
        "PUSHER_APP_ID": app.id,
        "PUSHER_KEY": app.key,
        "PUSHER_SECRET": app.secret,
        "PUSHER_HOST": app.host,
        "PUSHER_PORT": str(app.port),
    }


def load(path: str, variables: Mapping[str, str] | None = None) -> Any:
    """A fresh module of the file examples/python/`path`, which finds these variables when it is loaded."""
    spec = importlib.util.spec_from_file_location(f"example_{Path(path).stem}_{next(_numbers)}", EXAMPLES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations are looked up there
    with environment(**(variables or {})):
        spec.loader.exec_module(module)
    return module


def django_module(name: str) -> ModuleType:
    """A module of the Django example, in a project that is set up once for the process, with tables."""
    if str(DJANGO) not in sys.path:
        sys.path.insert(0, str(DJANGO))
        database = Path(tempfile.mkdtemp(prefix="pushery-shop-"), "shop.sqlite3")
        with environment(DJANGO_SETTINGS_MODULE="shop.settings", SHOP_DATABASE=str(database)):
            importlib.import_module("django").setup()
            importlib.import_module("django.core.management").call_command("migrate", run_syncdb=True, verbosity=0)
    return importlib.import_module(name)
