"""pusher-js in a real browser, on a page of another origin, over WebSocket and both of its HTTP fallbacks."""

import pytest
from playwright.sync_api import Page

from tests.clients.driver import PageHost, Scene
from tests.clients.play import TRANSPORTS, Play
from tests.clients.scenarios import SCENARIOS, a_restart
from tests.clients.site import Stage

pytestmark = [pytest.mark.process, pytest.mark.browser]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_browser_sees_what_it_must(page: Page, set_stage: Stage, transport: str) -> None:
    scene = Scene(PageHost(page, f"{set_stage.website.url}/page.html"))
    for scenario in SCENARIOS:
        with Play(set_stage, scene, transport) as play:
            scenario(play)


def test_clients_in_a_browser_come_back_when_the_server_does(page: Page, own_stage: Stage) -> None:
    a_restart(own_stage, Scene(PageHost(page, f"{own_stage.website.url}/page.html")))
