"""Our webhooks, checked by the official libraries that take them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.driver import NodeHost
from tests.clients.plain import plain_socket
from tests.clients.site import Stage, stage
from tests.support.server import wait_until

pytestmark = pytest.mark.process


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose rich app tells its website what happens."""
    with stage(tmp_path, hooks=True, webhook_private_addresses=True) as running:
        yield running


def told(stage: Stage) -> list[dict[str, object]]:
    """All events so far, in order."""
    return [event for hook in stage.website.hooks for event in json.loads(hook.body)["events"]]


def happenings(stage: Stage) -> None:
    """A client comes, is heard, and leaves; returns when all of it has been told."""
    backend = stage.backend(stage.rich)
    with plain_socket(stage.server.port, stage.rich) as client:
        client.subscribe("cache-hook")
        client.subscribe("presence-hook", backend.authenticate("presence-hook", client.id, {"user_id": 7}))
        names = {"channel_occupied", "member_added", "cache_miss"}
        wait_until(lambda: names <= {event["name"] for event in told(stage)}, f"webhooks about {names}")
    names = {"channel_vacated", "member_removed"}
    wait_until(lambda: names <= {event["name"] for event in told(stage)}, f"webhooks about {names}")


def test_the_library_from_pypi_accepts_them(hooked: Stage) -> None:
    happenings(hooked)
    backend = hooked.backend(hooked.rich)
    for hook in hooked.website.hooks:
        key, signature = hook.headers["x-pusher-key"], hook.headers["x-pusher-signature"]
        assert backend.validate_webhook(key, signature, hook.body) == json.loads(hook.body)
        assert backend.validate_webhook(key, signature, hook.body + " ") is None
    assert {"name": "channel_occupied", "channel": "cache-hook"} in told(hooked)
    assert {"name": "member_added", "channel": "presence-hook", "user_id": "7"} in told(hooked)
    assert {"name": "member_removed", "channel": "presence-hook", "user_id": "7"} in told(hooked)


def test_the_library_from_npm_accepts_them(hooked: Stage, node_backend: NodeHost) -> None:
    happenings(hooked)
    options = {"appId": hooked.rich.id, "key": hooked.rich.key, "secret": hooked.rich.secret}
    for hook in hooked.website.hooks:
        command = {"do": "webhook", "options": options, "headers": hook.headers, "body": hook.body}
        checked = node_backend.perform(command)
        assert checked == {"valid": True, "events": json.loads(hook.body)["events"]}
        assert node_backend.perform(command | {"body": hook.body + " "})["valid"] is False
