"""A server inside an asyncio program: what it does for its host, and what it leaves alone."""

import asyncio
import gc
import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import pushery

pytestmark = pytest.mark.process


def embedded(directory: Path, **settings: object) -> pushery.Server:
    return pushery.Server(listen="127.0.0.1:0", sqldir=str(directory / "apps.sqlite"), **settings)  # type: ignore[arg-type]


def run(directory: Path, body: Callable[[pushery.Server], Awaitable[None]], **settings: object) -> None:
    """Run a host whose server is there while `body` runs."""

    async def host() -> None:
        async with embedded(directory, **settings) as server:
            await body(server)

    asyncio.run(host())


def websocket_address(server: pushery.Server, path: str) -> str:
    return server.url.replace("http", "ws") + path


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_it_serves_on_the_loop_of_its_host(tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def host() -> None:
        async with embedded(tmp_path) as server:
            app = await server.register_app("shop")
            async with (
                connect(websocket_address(server, f"/ws/{app.key}/user-7"), proxy=None) as tagged,
                connect(websocket_address(server, f"/app/{app.key}?protocol=7"), proxy=None) as client,
            ):
                await client.recv()
                await client.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": "orders"}}))
                await client.recv()
                assert await server.push(app, "hello", pattern="^user-7$") == 1
                assert await server.push(app.key, "nobody", pattern="^user-8$") == 0
                assert await tagged.recv() == "hello"
                assert await server.trigger(app, ["orders", "empty"], "paid", {"id": 1}) == 1
                assert json.loads(await client.recv()) == {"event": "paid", "data": '{"id":1}', "channel": "orders"}
                assert await server.trigger(app, [], "paid", "as it is", pattern="^ord") == 1
                assert json.loads(await client.recv())["data"] == "as it is"

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(host())


def test_leaving_says_goodbye_to_those_who_are_connected(tmp_path: Path) -> None:
    async def host() -> None:
        async with embedded(tmp_path) as server:
            app = await server.register_app("shop")
            client = await connect(websocket_address(server, f"/ws/{app.key}/a"), proxy=None).__aenter__()
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012

    asyncio.run(host())


def test_apps_outlive_the_server(tmp_path: Path) -> None:
    async def host() -> None:
        async with embedded(tmp_path) as server:
            first = await server.register_app("shop", client_events=True, auth_account="me", auth_password="secret")
            await server.register_app("other")
        async with embedded(tmp_path) as server:
            assert [app.name for app in server.apps] == ["shop", "other"]
            assert server.apps[0] == first
            assert first.settings.client_events
            assert await server.unregister_app(first)
            assert not await server.unregister_app(first)
            assert [app.name for app in server.apps] == ["other"]

    asyncio.run(host())


def test_an_app_from_another_server_keeps_its_key_id_and_secret(tmp_path: Path) -> None:
    async def body(server: pushery.Server) -> None:
        app = await server.register_app("shop", app_key="app-key", app_id="app-id", app_secret="app-secret")
        assert (app.key, app.id, app.secret) == ("app-key", "app-id", "app-secret")
        assert await server.trigger("app-key", "news", "e", 1) == 0
        half = await server.register_app("half", app_id="7")
        assert half.id == "7"
        assert half.key
        assert half.secret
        for keyword, value, code in (
            ("app_key", "app-key", "key_taken"),
            ("app_id", "app-id", "id_taken"),
            ("app_key", "a/b", "malformed_parameter"),
            ("app_id", "apps", "malformed_parameter"),
            ("app_secret", "two words", "malformed_parameter"),
        ):
            said = await refused(server.register_app("again", **{keyword: value}))
            assert said[0] == code
            assert keyword.removeprefix("app_") in said[1]
        assert [each.name for each in server.apps] == ["shop", "half"]

    run(tmp_path, body)


def test_one_server_starts_and_stops_again_and_again(tmp_path: Path) -> None:
    async def host() -> None:
        server = embedded(tmp_path)
        for _ in range(3):
            await server.start()
            with pytest.raises(RuntimeError, match="runs already"):
                await server.start()
            assert server.port
            await server.stop()
            await server.stop()
        with pytest.raises(RuntimeError, match="does not run"):
            await server.push("key", "text")

    asyncio.run(host())


@pytest.mark.parametrize(
    ("listen", "admin_listen", "url"),
    [("localhost:0", "", "http://localhost:"), (":0", "127.0.0.1:0", "http://127.0.0.1:")],
)
def test_the_url_is_one_that_works(tmp_path: Path, listen: str, admin_listen: str, url: str) -> None:
    async def body(server: pushery.Server) -> None:
        assert server.url == f"{url}{server.port}"
        assert (server.admin_url == server.url) is (not admin_listen)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.admin_url.rpartition(":")[2]))
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 200 OK" in await reader.readline()
        writer.close()

    async def host() -> None:
        settings = {"listen": listen, "admin_listen": admin_listen, "sqldir": str(tmp_path / "apps.sqlite")}
        async with pushery.Server(**settings) as server:  # type: ignore[arg-type]
            await body(server)

    asyncio.run(host())


async def refused(awaited: Awaitable[object]) -> tuple[str, str]:
    with pytest.raises(pushery.Refused) as refusal:
        await awaited
    return refusal.value.code, str(refusal.value)


def test_what_cannot_be_done_is_one_kind_of_error_with_a_code(tmp_path: Path) -> None:
    async def body(server: pushery.Server) -> None:
        app = await server.register_app("shop", max_event_bytes=1024)
        mute = await server.register_app("mute", gopusher=False, pusher=False)
        off = await server.register_app("off", enabled=False)
        codes = [
            await refused(server.push("unknown", "text")),
            await refused(server.push(off, "text")),
            await refused(server.push(mute, "text")),
            await refused(server.trigger(mute, "a", "e", 1)),
            await refused(server.push(app, "text", pattern="(")),
            await refused(server.trigger(app, "a b", "e", 1)),
            await refused(server.trigger(app, [], "e", 1)),
            await refused(server.trigger(app, [], "e", 1, pattern="(")),
            await refused(server.trigger(app, "a", "e", "x" * 1025)),
            await refused(server.trigger(app, "a", "pusher:e", 1)),
            await refused(server.trigger(app, "a", "e", 1, socket_id="me")),
            await refused(server.register_app("")),
            await refused(server.register_app("a", auth_account="a:b")),
            await refused(server.register_app("a", nothing=1)),
        ]
        assert [code for code, _ in codes] == [
            "unknown_app",
            "app_disabled",
            "dialect_disabled",
            "dialect_disabled",
            "invalid_pattern",
            "invalid_channel_name",
            "missing_parameter",
            "invalid_pattern",
            "event_too_large",
            "reserved_event_name",
            "invalid_socket_id",
            "malformed_parameter",
            "malformed_parameter",
            "invalid_settings",
        ]
        assert all(text and "\n" not in text for _, text in codes)
        with pytest.raises(TypeError):
            await server.trigger(app, "a", "e", object())

    run(tmp_path, body)


def test_rates_hold_for_the_host_as_well(tmp_path: Path) -> None:
    async def body(server: pushery.Server) -> None:
        app = await server.register_app("shop")
        await server.trigger(app, "a", "e", 1)
        assert (await refused(server.push(app, "text")))[0] == "too_fast"

    run(tmp_path, body, publishes_per_second=1)


def test_wrong_settings_are_all_told_at_once() -> None:
    with pytest.raises(pushery.ConfigError) as wrong:
        pushery.Server(listn=":1", backlog=0, drain_rate="fast")
    assert [problem.split(":")[1].split("(")[0].strip() for problem in wrong.value.problems] == [
        "unknown setting 'listn'",
        "backlog",
        "drain_rate",
    ]
    with pytest.raises(TypeError, match="either"):
        pushery.Server(pushery.Settings(), listen=":1")


def test_a_port_that_is_taken_is_told_and_nothing_stays_behind(tmp_path: Path) -> None:
    async def host() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            server = pushery.Server(listen=f"127.0.0.1:{port}", sqldir=str(tmp_path / "apps.sqlite"))
            with pytest.raises(pushery.StartError, match=f"cannot listen on 127.0.0.1:{port}"):
                await server.start()
        await server.start()
        assert server.port == port
        await server.stop()

    asyncio.run(host())


def test_a_registry_that_cannot_be_opened_leaves_the_port_free(tmp_path: Path) -> None:
    async def host() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = pushery.Server(listen=f"127.0.0.1:{port}", sqldir=str(tmp_path / "nowhere" / "apps.sqlite"))
        with pytest.raises(pushery.StartError, match="nowhere"):
            await server.start()
        socket.create_server(("127.0.0.1", port)).close()

    asyncio.run(host())


@pytest.fixture
def low_limit() -> Iterator[None]:
    """A limit on open files that a server of its own would raise."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard - 1, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("low_limit")
def test_the_process_stays_the_hosts(tmp_path: Path) -> None:
    async def host() -> None:
        loop = asyncio.get_running_loop()

        def process() -> tuple[object, ...]:
            return (
                [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)],
                loop.get_exception_handler(),
                list(logging.getLogger().handlers),
                gc.get_threshold(),
                gc.get_freeze_count(),
                resource.getrlimit(resource.RLIMIT_NOFILE),
            )

        before = process()
        async with embedded(tmp_path) as server:
            await server.register_app("shop")
            assert process() == before
        assert process() == before

    asyncio.run(host())


def test_nothing_is_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHERY_LISTEN", "no address at all")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")

    async def body(server: pushery.Server) -> None:
        assert server.settings.listen == "127.0.0.1:0"
        assert os.environ["LISTEN_FDS"] == "1"  # it is still there for whom it is meant

    run(tmp_path, body)


def test_importing_the_package_reads_no_other_module() -> None:
    program = (
        "import sys, pushery\n"
        "print(sorted(name for name in sys.modules if name.startswith('pushery')))\n"
        "print(sorted(name for name in dir(pushery) if name[0].isupper()))\n"
        "print([getattr(pushery, name).__name__ for name in pushery.__all__[1:]])\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    names = ["App", "AppSettings", "ConfigError", "Refused", "Server", "Settings", "StartError", "StorageError"]
    assert said.splitlines() == ["['pushery']", str(names), str(names)]


def test_a_name_that_is_not_there_is_the_usual_error() -> None:
    with pytest.raises(AttributeError, match="module 'pushery' has no attribute 'Serv'"):
        getattr(pushery, "Serv")  # noqa: B009  # mypy would find it
