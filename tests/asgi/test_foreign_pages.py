"""Another site's page, and the credentials that a browser keeps for the site that Pushery is mounted in."""

from pathlib import Path

import pytest

from tests.asgi.web import ADMIN, mounted, serving

pytestmark = pytest.mark.process


def test_they_are_of_no_use_to_it(tmp_path: Path) -> None:
    with serving(mounted(tmp_path)) as site:
        app = site.register()
        path = f"/api/push/{app['app_key']}"

        def push(**headers: str) -> tuple[int, str]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = site.request("POST", path, data={"content": "x"}, auth=ADMIN, headers=named)
            return answer.status_code, answer.json().get("error", {}).get("code", "")

        assert push(sec_fetch_site="cross-site") == (403, "foreign_page")
        assert push(origin="http://evil.example") == (403, "foreign_page")
        assert push(origin=site.url) == (200, "")
        assert push(origin=site.url, sec_fetch_site="same-origin") == (200, "")
        assert push() == (200, "")
