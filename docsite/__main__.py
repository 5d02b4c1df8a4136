"""Renews everything in `docs` that is written by the source: `python -m docsite`, or `make reference`."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from docsite import codes, commands, diagrams, events, metrics, routes
from pushery.config.reference import render_reference
from pushery.dialects.admin.openapi import render as render_openapi
from pushery.dialects.admin.rest import OPERATIONS

REFERENCE: Final = Path(__file__).parents[1] / "docs" / "reference"

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings.md": render_reference,
    "routes.md": routes.render,
    "events.md": events.render,
    "codes.md": codes.render,
    "metrics-list.md": metrics.render,
    "cli-options.md": commands.render,
    "openapi.json": lambda: render_openapi(OPERATIONS),
}
"""What is written, by its name in `docs/reference`."""


def main() -> int:
    """Write what is stale, and name it. The exit code is 1 when a diagram cannot be drawn."""
    for name, render in PAGES.items():
        text, path = render(), REFERENCE / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"Wrote docs/reference/{name}")
    try:
        for source in diagrams.renew():
            print(f"Drew docs/diagrams/{source.name}")
    except diagrams.DrawingError as error:
        print(f"docsite: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
