"""A process that registers apps one after the other and says each key once the store has acknowledged it.

Run as `registrar.py SQLDIR PREFIX COUNT`. Says "ready", waits for a line on stdin, opens the store, and ends after
COUNT apps (0: never). Tests kill it or run several at once. Every text of an app is derived from its key, so that
half a row would show (`draft_of`).
"""

import itertools
import sys

from pushery.core.apps import AppDraft
from pushery.storage import open_app_store


def draft_of(key: str) -> AppDraft:
    return AppDraft(
        key=key,
        secret=f"secret of {key}",
        name=f"name of {key} " + "x" * 2000,  # some pages per row, so that a torn commit would be torn
        auth_account=f"account of {key}",
        auth_password=f"password of {key} " + "y" * 2000,
        request_ip="192.0.2.1:4711",
        registered_ms=1_700_000_000_000,
    )


def main() -> None:
    path, prefix, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    print("ready", flush=True)
    sys.stdin.readline()
    store = open_app_store(path)
    for number in range(count) if count else itertools.count():
        print(store.add(draft_of(f"{prefix}-{number}")).key, flush=True)
    store.close()


if __name__ == "__main__":
    main()
