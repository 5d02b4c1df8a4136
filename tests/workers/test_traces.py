"""What whoever traces is told of requests to hooks, and what the requests carry of it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushery.core.appsettings import Webhook
from pushery.workers import ConnectHookOptions, ConnectHookWorker
from tests.support.server import wait_until
from tests.workers.receiver import Receiver, receiving
from tests.workers.worlds import an_app, said, world

NUMBER = "traceparent"


class Noted:
    """One request, as the port tells of it; `end` stays None while it is under way."""

    def __init__(self, number: int, *began: object) -> None:
        self.headers = {NUMBER: str(number)}
        self.began = began
        self.ended: tuple[int, str] | None = None

    def end(self, status: int, error: str) -> None:
        """It is over."""
        assert self.ended is None
        self.ended = status, error


class Notebook:
    """Traces every request but those to `/untraced`. Implements `HookTraces`."""

    def __init__(self) -> None:
        self.noted: list[Noted] = []

    def begin(self, kind: str, app_key: str, url: str, *, events: int = 0, sent_before: int = 0) -> Noted | None:
        """A request is about to be sent."""
        if url.endswith("/untraced"):
            return None
        self.noted.append(Noted(len(self.noted), kind, app_key, url.rpartition("/")[2], events, sent_before))
        return self.noted[-1]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_every_attempt_has_a_trace_of_its_own_that_it_carries(tmp_path: Path, receiver: Receiver) -> None:
    app, notebook = an_app(Webhook(url=f"{receiver.url}/hook"), batch=True), Notebook()
    receiver.status("/hook", 503)
    with world(tmp_path, app, traces=notebook) as it:
        it.happened(app, said("a", "1"), said("a", "2"))
        wait_until(lambda: len(receiver.requests) >= 2, "two attempts")
        receiver.status("/hook", 204)
        wait_until(lambda: len(receiver.events()) == 2, "both events")
    *failed, last = notebook.noted
    assert [note.began[-1] for note in notebook.noted] == list(range(len(notebook.noted)))
    assert {note.began[:4] for note in notebook.noted} == {("webhook", "key1", "hook", 2)}
    assert {note.ended for note in failed} == {(503, "HTTP 503")}
    assert last.ended == (204, "")
    assert [request.headers[NUMBER] for request in receiver.requests] == [
        note.headers[NUMBER] for note in notebook.noted
    ]


def test_a_header_of_the_webhook_itself_gives_way_to_the_one_of_a_trace(tmp_path: Path, receiver: Receiver) -> None:
    own = {"Traceparent": "its own", "X-Other": "stays"}
    hooks = [Webhook(url=f"{receiver.url}/{path}", headers=own) for path in ("hook", "untraced")]
    app = an_app(*hooks)
    with world(tmp_path, app, traces=Notebook()) as it:
        it.happened(app, said("a", "1"))
        wait_until(lambda: len(receiver.accepted) == 2, "both requests")
    sent = {
        request.path: [value for name, value in request.headers.items() if name.lower() == NUMBER]
        for request in receiver.requests
    }
    assert sent == {"/hook": ["0"], "/untraced": ["its own"]}
    assert {request.headers["X-Other"] for request in receiver.requests} == {"stays"}


def test_a_request_that_is_cut_off_or_never_answered_ends_its_trace(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hang"), Webhook(url="http://127.0.0.1:1/nobody"))
    receiver.hang("/hang")
    notebook = Notebook()
    with world(tmp_path, app, traces=notebook, retry_first_s=60.0, retry_most_s=60.0) as it:
        it.happened(app, said("a", "1"))
        wait_until(lambda: receiver.requests and it.worker.stats.failed_attempts, "both attempts")
        it.stop(timeout_s=0.1)
    ended = {note.began[2]: note.ended for note in notebook.noted}
    assert ended["hang"] == (0, "cut off")
    assert ended["nobody"] is not None
    assert ended["nobody"][0] == 0
    assert ended["nobody"][1].startswith("no connection: ")


def test_a_question_who_may_connect_has_one_too(receiver: Receiver) -> None:
    notebook = Notebook()

    async def story() -> None:
        worker = ConnectHookWorker(ConnectHookOptions(private_addresses=True), notebook)
        assert await worker.admits("app", f"{receiver.url}/say", "token", "x" * 10)
        receiver.status("/say", 403)
        assert not await worker.admits("app", f"{receiver.url}/say", "token", "x" * 10)
        await worker.stop(5.0)

    asyncio.run(story())
    assert [note.began for note in notebook.noted] == [("connect_hook", "app", "say", 0, 0)] * 2
    assert [note.ended for note in notebook.noted] == [(200, ""), (403, "HTTP 403")]
    assert [request.headers[NUMBER] for request in receiver.requests] == ["0", "1"]
