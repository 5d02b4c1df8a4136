"""One server for all tests of a file: none of them stops it, and each registers apps of its own."""

from collections.abc import Iterator

import pytest

from tests.support.server import ServerProcess


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A running server."""
    with ServerProcess(tmp_path_factory.mktemp("console")) as running:
        yield running
