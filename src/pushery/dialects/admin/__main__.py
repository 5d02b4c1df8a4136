"""Prints the OpenAPI document: python -m pushery.dialects.admin > docs/reference/openapi.json."""

import sys

from pushery.dialects.admin.openapi import render
from pushery.dialects.admin.rest import OPERATIONS

if __name__ == "__main__":
    sys.stdout.write(render(OPERATIONS))
