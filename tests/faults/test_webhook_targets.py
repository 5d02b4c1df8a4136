"""Webhooks that hang, lie, break off or cannot even be found, all at once: others get theirs, and pushes go on."""

from pathlib import Path

import pytest

from tests.faults.hands import app_with_webhook, occupied, slowest_answer_s, told
from tests.faults.liars import ACCEPTING, REFUSING, liars
from tests.support.server import ServerProcess, wait_until
from tests.workers.receiver import receiving

pytestmark = pytest.mark.process

TIMEOUT_S = 0.5
CHANNELS = tuple(f"c{number}" for number in range(10))


def test_targets_that_misbehave_cost_nobody_else_anything(tmp_path: Path) -> None:
    settings = {"webhook_private_addresses": True, "webhook_timeout": TIMEOUT_S, "webhook_retry_time": 0}
    server = ServerProcess(tmp_path, **settings)
    server.environ = {"PYTHONPATH": str(Path(__file__).parent / "hanging_dns")}
    with liars() as urls, receiving() as receiver, server:
        bad = [app_with_webhook(server, urls[behaviour.__name__]) for behaviour in REFUSING]
        bad += [app_with_webhook(server, f"http://{name}/") for name in ("a.hangs.test", "b.hangs.test", "no.invalid")]
        lax = [app_with_webhook(server, urls[behaviour.__name__]) for behaviour in ACCEPTING]
        good = app_with_webhook(server, receiver.url + "/hook")
        plain = server.register()
        for app in (*bad, *lax):
            with occupied(server, app, *CHANNELS):
                pass
        with occupied(server, good, *CHANNELS):
            slowest_s = slowest_answer_s(server, plain, lambda: len(told(receiver)) == len(CHANNELS))
            assert slowest_s < 1.0
            events = len(CHANNELS)
            wait_until(lambda: server.metric("pushery_webhooks_dead_total") == events * len(bad), "the dead letters")
            accepted = events * (1 + len(lax))
            wait_until(lambda: server.metric("pushery_webhooks_delivered_total") >= accepted, "those who said 200", 5)
        assert server.resident_bytes < 200 << 20
        assert server.stop() == 0
