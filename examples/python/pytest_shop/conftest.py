import pytest


@pytest.fixture
def push(pushery_server, pushery_app):
    """The library's client, for an app that this test has to itself."""
    return pushery_server.pusher_client(pushery_app)
