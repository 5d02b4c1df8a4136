"""`pushery reload`: has a running server load its settings anew, and says what came of it.

It reads the configuration only to find the server and its super admin; what the server makes of that file is what it
answers. A signal would do the same, but nobody would hear what it did.
"""

from collections.abc import Mapping
from typing import Any, Final

from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail
from pushery.cli.output import Done, Json, show
from pushery.cli.target import Auth, Insecure, Unreachable, Url, basic, find_auth, find_target

_ROUTE: Final = "/api/admin/reload"
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_LISTS: Final = ("applied", "need_restart", "problems")


def reload(
    url: Url = "", auth: Auth = "", insecure: Insecure = False, config: Config = DEFAULT_CONFIG, as_json: Json = False
) -> None:
    """Have the running server load its configuration anew. It tells what has changed, and what waits for a restart."""
    target = find_target(url, config, insecure=insecure, backend=True)
    credentials = find_auth(auth, config)
    if not credentials:
        fail(f"{config} is not there: give --auth account:password, or a --config", code=MISUSED)
    try:
        answer = target.ask("POST", _ROUTE, headers=basic(credentials))
    except Unreachable as error:
        fail(str(error))
    if answer.status == _UNAUTHORIZED:
        fail(
            "the server does not take these credentials; if the configuration has new ones, "
            "give those that hold so far with --auth"
        )
    report = answer.json
    if answer.status != _OK or not _is_report(report):
        fail(answer.reason)
    told = (("changed", report["applied"]), ("waits for a restart", report["need_restart"]))
    sentences = [Done(f"{label}: {', '.join(names) or 'nothing'}") for label, names in told]
    show({name: report[name] for name in _LISTS}, *sentences, as_json=as_json)
    if report["problems"]:
        fail(*report["problems"])


def _is_report(told: Any) -> bool:
    return isinstance(told, Mapping) and all(isinstance(told.get(name), list) for name in _LISTS)
