"""Asking backends who may connect: real servers that say so, lie, hang, redirect, flood, or are not there."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from pushery.workers import ConnectHookCollector, ConnectHookOptions, ConnectHookWorker
from tests.workers.gatekeeper import Gatekeeper, a_gatekeeper

DEADLINE_S = 20.0


@pytest.fixture
def keeper() -> Iterator[Gatekeeper]:
    with a_gatekeeper() as keeper:
        yield keeper


@contextlib.asynccontextmanager
async def a_worker(**options: Any) -> AsyncIterator[ConnectHookWorker]:
    worker = ConnectHookWorker(ConnectHookOptions(**{"private_addresses": True, **options}))
    try:
        yield worker
    finally:
        await worker.stop(5.0)


def told(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story, with an end if it has none."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await story()

    asyncio.run(bounded())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  # the condition is another thread's
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("tag", ["A:1", "é 😀", "a&b=c", "x" * 200, "a\nb"])
def test_whose_token_belongs_to_the_tag_is_let_in(keeper: Gatekeeper, tag: str) -> None:
    async def story() -> None:
        async with a_worker() as worker:
            assert await worker.admits("app", f"{keeper.url}/say", f"for {tag}", tag)
            assert not await worker.admits("app", f"{keeper.url}/say", "for somebody else", tag)
            assert worker.outcomes == {"admitted": 1, "refused": 1}

    told(story)
    assert keeper.kinds[0] == "application/x-www-form-urlencoded"
    assert keeper.bodies[1] == b"token=for+somebody+else"


@pytest.mark.parametrize(
    ("answer", "status", "admitted"),
    [
        (b"A:1", 200, True),
        (b"A:1\n", 200, True),
        (b"A:1\r\n", 201, True),
        (b"A:1\n\n", 200, False),
        (b"A:1 ", 200, False),
        (b" A:1", 200, False),
        (b"a:1", 200, False),
        (b"", 200, False),
        (b"\n", 200, False),
        (b"A:1\xff", 200, False),
        (b'"A:1"', 200, False),
        (b"A:1" + b"\n" * 5000, 200, False),
        (b"A:1", 400, False),
        (b"A:1", 403, False),
        (b"A:1", 500, False),
    ],
)
def test_only_the_very_tag_with_a_good_status_lets_in(
    keeper: Gatekeeper, answer: bytes, status: int, admitted: bool
) -> None:
    keeper.answer, keeper.status = answer, status

    async def story() -> None:
        async with a_worker() as worker:
            assert await worker.admits("app", f"{keeper.url}/exactly", "T", "A:1") is admitted
            assert worker.outcomes == {"admitted" if admitted else "failed" if status == 500 else "refused": 1}

    told(story)


def test_an_endless_answer_is_not_read(keeper: Gatekeeper) -> None:
    async def story() -> None:
        async with a_worker() as worker:
            assert not await worker.admits("app", f"{keeper.url}/endless", "T", "A:1")
            assert worker.outcomes == {"refused": 1}

    told(story)
    assert keeper.sent < 64 << 20, "what the kernel takes, and no more"


def test_a_backend_that_hangs_is_given_up_and_one_that_is_down_too(keeper: Gatekeeper) -> None:
    async def story() -> None:
        async with a_worker(timeout_s=0.2) as worker:
            assert not await worker.admits("app", f"{keeper.url}/hang", "T", "A:1")
            assert not await worker.admits("app", "http://127.0.0.1:9/", "T", "A:1")
            assert not await worker.admits("app", "http://no-such-host.invalid/", "T", "A:1")
            assert not await worker.admits("app", "http://[", "T", "A:1")
            assert worker.outcomes == {"failed": 4}

    told(story)


def test_redirects_lead_nowhere_unless_the_setting_says_so(keeper: Gatekeeper) -> None:
    keeper.location = "/say"

    async def story() -> None:
        async with a_worker() as worker:
            assert not await worker.admits("app", f"{keeper.url}/redirect", "for A:1", "A:1")
            assert worker.outcomes == {"refused": 1}
        async with a_worker(redirects=True) as worker:
            assert await worker.admits("app", f"{keeper.url}/redirect", "for A:1", "A:1")

    told(story)


def test_private_addresses_are_not_asked_unless_the_setting_says_so(keeper: Gatekeeper) -> None:
    async def story() -> None:
        async with a_worker(private_addresses=False) as worker:
            assert not await worker.admits("app", f"{keeper.url}/say", "for A:1", "A:1")
            assert worker.outcomes == {"failed": 1}

    told(story)
    assert keeper.bodies == []


def test_options_change_while_it_runs_and_what_is_under_way_ends_by_the_old_ones(keeper: Gatekeeper) -> None:
    keeper.location = "/say"

    async def story() -> None:
        async with a_worker(timeout_s=0.3) as worker:
            assert not await worker.admits("app", f"{keeper.url}/redirect", "for A:1", "A:1")
            hanging = asyncio.create_task(worker.admits("app", f"{keeper.url}/hang", "T", "A:1"))
            await until(lambda: len(keeper.bodies) == 2)
            worker.configure(ConnectHookOptions(private_addresses=True, redirects=True, timeout_s=5.0))
            assert await worker.admits("app", f"{keeper.url}/redirect", "for A:1", "A:1")
            assert not await hanging
            worker.configure(ConnectHookOptions(private_addresses=False))
            assert not await worker.admits("app", f"{keeper.url}/say", "for A:1", "A:1")
            assert worker.outcomes == {"refused": 1, "admitted": 1, "failed": 2}

    told(story)


def test_a_backend_that_hangs_holds_up_nobody_but_its_own_clients(keeper: Gatekeeper) -> None:
    async def story() -> None:
        async with a_worker(concurrency=2) as worker:
            hung = [asyncio.create_task(worker.admits("one", f"{keeper.url}/wait", "for x", "x")) for _ in range(50)]
            await until(lambda: keeper.at_once.get("/wait") == 2)
            assert await worker.admits("two", f"{keeper.url}/say", "for y", "y")
            assert not any(task.done() for task in hung)
            keeper.release()
            assert all(await asyncio.gather(*hung))
            assert keeper.most_at_once["/wait"] == 2

    told(story)


def test_a_thousand_clients_may_wait(keeper: Gatekeeper) -> None:
    async def story() -> None:
        async with a_worker() as worker:
            asked = [worker.admits("app", f"{keeper.url}/say", f"for {number}", str(number)) for number in range(1000)]
            assert all(await asyncio.gather(*asked))
            assert keeper.most_at_once["/say"] <= 200

    told(story)


def test_whoever_waits_too_long_or_in_too_long_a_line_is_refused(keeper: Gatekeeper) -> None:
    async def story() -> None:
        async with a_worker(concurrency=1, patience_s=0.1, most_waiting=1) as worker:
            tasks = [asyncio.create_task(worker.admits("app", f"{keeper.url}/wait", "for x", "x")) for _ in range(3)]
            await until(lambda: worker.outcomes["crowded"] == 2)
            keeper.release()
            assert sorted(await asyncio.gather(*tasks)) == [False, False, True]

    told(story)


def test_a_question_that_is_taken_back_makes_room_for_the_next(keeper: Gatekeeper) -> None:
    async def story() -> None:
        async with a_worker(concurrency=1) as worker:
            gone = [asyncio.create_task(worker.admits("app", f"{keeper.url}/hang", "T", "x")) for _ in range(3)]
            await until(lambda: keeper.at_once.get("/hang") == 1)
            for task in gone:
                task.cancel()
            assert await worker.admits("app", f"{keeper.url}/say", "for y", "y")
            assert all(task.cancelled() for task in gone)

    told(story)


def test_a_stop_ends_all_questions_and_their_thread(keeper: Gatekeeper) -> None:
    async def story() -> None:
        async with a_worker(concurrency=1) as worker:
            asked = [asyncio.create_task(worker.admits("app", f"{keeper.url}/hang", "T", "x")) for _ in range(3)]
            await until(lambda: keeper.at_once.get("/hang") == 1)
            await worker.stop(5.0)
            assert await asyncio.gather(*asked) == [False, False, False]
            assert not await worker.admits("app", f"{keeper.url}/say", "for x", "x")
        assert "connect-hooks" not in [thread.name for thread in threading.enumerate()]

    told(story)


def test_no_thread_runs_before_somebody_is_asked() -> None:
    async def story() -> None:
        async with a_worker():
            assert "connect-hooks" not in [thread.name for thread in threading.enumerate()]

    told(story)


def test_a_backend_that_fails_is_logged_once_until_it_answers_and_no_token_ever(keeper: Gatekeeper) -> None:
    async def story() -> None:
        async with a_worker(timeout_s=0.05) as worker:
            for path in ("/hang", "/hang", "/say", "/hang"):
                await worker.admits("app", keeper.url + path, "for secret", "secret")

    with capture_logs() as logs:
        told(story)
    assert [line["event"] for line in logs] == ["connect_hook_failed", "connect_hook_answers", "connect_hook_failed"]
    assert logs[0] == {
        "event": "connect_hook_failed",
        "log_level": "warning",
        "app_key": "app",
        "error": "no answer within 0.05 s",
    }
    assert "secret" not in str(logs)


def test_each_outcome_is_shown_from_the_start() -> None:
    [metric] = ConnectHookCollector({"admitted": 7}).collect()
    shown = {sample.labels["outcome"]: sample.value for sample in metric.samples}
    assert metric.samples[0].name == "pushery_connect_hooks_total"
    assert shown == {"admitted": 7, "refused": 0, "failed": 0, "crowded": 0}
