"""Of several servers one leads, the others are seen to wait, and a lock ends with who holds it."""

import os
import signal
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pushery.core.ports import StorageError
from pushery.storage.hooklock import HookLock
from tests.support.server import wait_until

HOLD = """
import sys
from pushery.storage.hooklock import HookLock
print(HookLock(sys.argv[1]).lead(), flush=True)
sys.stdin.read()
"""


def test_the_first_leads_until_it_lets_go_and_then_the_next(tmp_path: Path) -> None:
    outbox = str(tmp_path / "apps.sqlite.hooks")
    with closing(HookLock(outbox)) as second:
        with closing(HookLock(outbox)) as first:
            assert (first.lead(), first.lead()) == (True, True)
            assert first.alone()
            assert not second.lead()
            assert not first.alone()
            assert not second.lead()
        assert second.lead()
        assert second.alone()


def test_several_may_wait_and_who_gives_up_waiting_is_no_longer_seen(tmp_path: Path) -> None:
    outbox = str(tmp_path / "apps.sqlite.hooks")
    with closing(HookLock(outbox)) as first:
        assert first.lead()
        with closing(HookLock(outbox)) as second, closing(HookLock(outbox)) as third:
            assert not second.lead()
            assert not third.lead()
            second.close()
            assert not first.alone()
        assert first.alone()


def test_of_two_that_wait_one_takes_over_and_sees_the_other(tmp_path: Path) -> None:
    outbox = str(tmp_path / "apps.sqlite.hooks")
    with closing(HookLock(outbox)) as first, closing(HookLock(outbox)) as second, closing(HookLock(outbox)) as third:
        assert [lock.lead() for lock in (first, second, third)] == [True, False, False]
        first.close()
        assert [lock.lead() for lock in (second, third)] == [True, False]
        assert not second.alone()


@pytest.mark.process
def test_a_lock_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    outbox = str(tmp_path / "apps.sqlite.hooks")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, outbox], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "True\n"
            with closing(HookLock(outbox)) as lock:
                assert not lock.lead()
                holder.send_signal(signal.SIGKILL)
                holder.wait()
                wait_until(lock.lead, "the lock")
        finally:
            holder.kill()


def test_its_files_are_its_users_alone_and_empty(tmp_path: Path) -> None:
    HookLock(str(tmp_path / "apps.sqlite.hooks")).close()
    for name in ("apps.sqlite.hooks.lock", "apps.sqlite.hooks.waiting"):
        found = os.stat(tmp_path / name)
        assert (stat.S_IMODE(found.st_mode) & 0o077, found.st_size) == (0, 0)


def test_a_place_where_it_cannot_be_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"^\S+\.hooks\.lock cannot be opened: [^\n]+$"):
        HookLock(str(tmp_path / "no" / "apps.sqlite.hooks"))
