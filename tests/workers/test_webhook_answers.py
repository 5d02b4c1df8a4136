"""Where the request of a webhook may go, and what counts as an answer to it."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pushery.core.appsettings import Webhook
from pushery.storage.hookoutbox import DeadLetter
from tests.support.server import wait_until
from tests.workers.receiver import Receiver, receiving
from tests.workers.worlds import World, an_app, occupied, said, world


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_a_private_address_is_refused_and_the_dead_letter_says_which_setting_allows_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    hosts = ("127.0.0.1", "localhost", "0x7f.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]")  # noqa: S104
    app = an_app(*(Webhook(url=f"http://{host}:{receiver.port}/hook") for host in hosts))
    with world(tmp_path, app, private_addresses=False) as it:
        it.happened(app, occupied("a"))
        wait_until(lambda: it.worker.stats.dead == len(hosts), "all refused")
        wait_until(lambda: len(asyncio.run(it.worker.dead_letters("key1"))) == len(hosts), "all on the disk")
        letters = asyncio.run(it.worker.dead_letters("key1"))
    assert receiver.requests == []
    assert [letter.url for letter in letters if "webhook_private_addresses" not in letter.error] == []


def test_redirects_are_followed_only_when_the_settings_say_so(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/old", headers={"X-Own": "1"}))
    receiver.status("/old", 307)
    receiver.location = "/new"
    with world(tmp_path, app, retry_time_s=0.0) as it:
        it.happened(app, occupied("a"))
        wait_until(lambda: len(asyncio.run(it.worker.dead_letters("key1"))) == 1, "a dead letter")
        (letter,) = asyncio.run(it.worker.dead_letters("key1"))
        assert "webhook_redirects" in letter.error
        assert {request.path for request in receiver.requests} == {"/old"}
    with world(tmp_path, app, redirects=True) as it:
        it.happened(app, said("a", "x"))
        wait_until(lambda: receiver.names("/new") == ["client_event"], "the event")
    assert receiver.accepted[0].headers["X-Own"] == "1"


def test_own_headers_do_not_follow_a_redirect_to_another_server(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/old", headers={"Authorization": "Bearer x"}))
    receiver.status("/old", 301)
    receiver.location = f"http://localhost:{receiver.port}/new"
    with world(tmp_path, app, redirects=True) as it:
        it.happened(app, said("a", "x"))
        wait_until(lambda: receiver.names("/new") == ["client_event"], "the event")
    assert receiver.requests[0].headers["Authorization"] == "Bearer x"
    assert "Authorization" not in receiver.accepted[0].headers


def test_what_comes_of_an_answer_that_is_not_http_tells_nothing_of_the_url(tmp_path: Path) -> None:
    async def story() -> None:
        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"what is this?\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answering, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            app = an_app(Webhook(url=f"http://127.0.0.1:{port}/hook?token=hush"))
            it = World(tmp_path, app, retry_time_s=0.0)
            it.worker.start()
            it.happened(app, occupied("a"))
            async with asyncio.timeout(20):
                while not (letters := await it.worker.dead_letters("key1")):  # noqa: ASYNC110  # the disk is another's
                    await asyncio.sleep(0.005)
            await it.worker.stop(5.0)
        assert [letter.error for letter in letters] == ["the answer is not HTTP"]

    with capture_logs() as logs:
        asyncio.run(story())
    assert [line["error"] for line in logs if line["event"] == "webhook_given_up"] == ["the answer is not HTTP"]
    assert "hush" not in str(logs)


@pytest.mark.parametrize("ends", [False, True], ids=["stays", "closes"])
@pytest.mark.parametrize(
    "answer",
    [
        b"Content-Length: 1000000000\r\n\r\n" + b"x" * 8192,
        b"Content-Length: 100\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=["endless", "short", "part of a chunk", "no chunk", "not as it says"],
)
def test_an_answer_is_its_status_and_its_body_is_not_waited_for(tmp_path: Path, answer: bytes, ends: bool) -> None:
    asked: list[bytes] = []

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n" + answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            if not ends:
                await reader.read()  # the other side has closed the connection when this returns
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answering, "127.0.0.1", 0)
        app = an_app(Webhook(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        it = World(tmp_path, app, timeout_s=60.0)
        it.worker.start()
        it.happened(app, occupied("a"))
        await asyncio.to_thread(wait_until, lambda: it.worker.stats.delivered, "a delivery")
        await it.worker.stop(1.0)
        server.close()

    asyncio.run(run())
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"", "without an answer"), (b"nonsense\r\n\r\n", ""), (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000, "")],
)
def test_an_answer_that_is_none_is_a_failure(tmp_path: Path, answer: bytes, error: str) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answering, "127.0.0.1", 0)
        app = an_app(Webhook(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        it = World(tmp_path, app, retry_time_s=0.0)
        it.worker.start()
        it.happened(app, occupied("a"))
        loop = asyncio.get_running_loop()

        def dead() -> list[DeadLetter]:
            return asyncio.run_coroutine_threadsafe(it.worker.dead_letters("key1"), loop).result()

        letters = await asyncio.to_thread(wait_until, dead, "a dead letter")
        assert error in letters[0].error
        await it.worker.stop(1.0)
        server.close()

    asyncio.run(run())


def test_a_host_without_an_address_and_a_port_without_a_listener_are_failures(tmp_path: Path) -> None:
    urls = ("http://nowhere.invalid/", "http://127.0.0.1:1/", "gopher://127.0.0.1/", "http://[/", f"http://{'a' * 70}/")
    app = an_app(*(Webhook(url=url) for url in urls))
    with world(tmp_path, app, retry_time_s=0.0) as it:
        it.happened(app, occupied("a"))
        wait_until(lambda: len(asyncio.run(it.worker.dead_letters("key1"))) == len(urls), "all given up")
        errors = {letter.url: letter.error for letter in asyncio.run(it.worker.dead_letters("key1"))}
    assert "cannot be resolved" in errors[urls[0]]
    assert "no connection" in errors[urls[1]]
    assert "cannot be used" in errors[urls[2]]
    assert "cannot be" in errors[urls[3]]
    assert "cannot be" in errors[urls[4]]
