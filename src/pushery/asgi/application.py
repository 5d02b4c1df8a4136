"""The ASGI application: HTTP requests and WebSockets of somebody else's web server, answered as Pushery's own are.

Listens on nothing and keeps no connection; that is the ASGI server's business, as are TLS, pings and timeouts.
Invariant: the server has started before the first request is answered, on the one event loop that brings them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Final

from pushery.app import Host, StartError
from pushery.app.embedded import Server
from pushery.asgi.scopes import AsgiApp, Receive, Scope, Send, reply_messages, request_of
from pushery.asgi.sockets import AsgiPeer
from pushery.config import Settings
from pushery.core.effects import AskHook, OpenSocket, OpenStream, Session
from pushery.core.exchange import Refusal, Reply, Request
from pushery.server.door import Answer, Door
from pushery.server.replying import encoded_reply
from pushery.server.shared import stopping
from pushery.wire.handshake import check_handshake

_MOUNTED: Final = Host(owns_process=False, listens=False)
_DENIAL: Final = "websocket.http.response"
"""The extension by which an ASGI server lets a handshake be refused with a reply of one's own."""


class PusheryApp:
    """Mount it in Starlette or FastAPI, put it beside Django, or serve it alone.

    Settings as for `Server`, of which `server` is one: publish with `server.push` and `server.trigger`. Raises
    ConfigError. It starts with the first request, unless `lifespan` or `startup` has started it before. There is no
    console unless `console=True` asks for it: here it would stand on the site itself.
    """

    def __init__(self, settings: Settings | None = None, **keywords: Any) -> None:
        if settings is None:
            keywords.setdefault("console", False)
        self.server = Server(settings, host=_MOUNTED, **keywords)
        self._starting = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self) -> None:
        """Open the registry; harmless when that is done. Raises StartError."""
        async with self._starting:
            if self._loop is None:
                await self.server.start()
                self._loop = asyncio.get_running_loop()

    async def shutdown(self) -> None:
        """Close every socket (1012) and let go; harmless when it does not run."""
        self._loop = None
        await self.server.stop()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """What Starlette and FastAPI take as `lifespan`; raises StartError. They do not start what is mounted."""
        await self.startup()
        try:
            yield
        finally:
            await self.shutdown()

    def beside(self, other: AsgiApp, *, prefix: str = "") -> AsgiApp:
        """An application in which Pushery answers its own paths and all WebSockets, and `other` everything else.

        With a `prefix`, such as "/realtime", Pushery's paths are those below it.
        """
        prefix = prefix.rstrip("/")

        async def both(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await self._live(receive, send)
                return
            inner = dict(scope, root_path=f"{scope.get('root_path', '')}{prefix}")
            if scope["type"] == "websocket" or await self._is_ours(inner, prefix):
                await self(inner, receive, send)
            else:
                await other(scope, receive, send)

        return both

    async def _is_ours(self, scope: Scope, prefix: str) -> bool:
        if prefix:
            return str(scope["path"]).startswith(f"{scope['root_path']}/")
        return (await self._door()).knows(request_of(scope).path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3. Raises StartError where it cannot start, and RuntimeError when called from two event loops."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            await self._respond(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.startup()
        except StartError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _door(self) -> Door:
        if self._loop is None:
            await self.startup()
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("Pushery runs on another event loop: serve it from one, and end it with shutdown()")
        return self.server.front

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = await self._door()
        limits = door.shared.http_limits
        began = time.monotonic()
        body = await _read_body(receive, limits.max_body_bytes)
        if body is None:
            return
        request = request_of(scope, body)
        request.began = began
        if len(body) > limits.max_body_bytes:
            message = f"A request body may have {limits.max_body_bytes} bytes."
            reply = Refusal(413, "body_too_large", message).reply()
        else:
            reply = await self._reply(door, request)
        for each in reply_messages(encoded_reply(door.shared, request, reply, keep_alive=True)):
            await send(each)

    async def _reply(self, door: Door, request: Request) -> Reply:
        answer = door.answer(request)
        if request.verified:
            door.remember(request)
        try:
            return await _finished(answer, request)
        except Exception as error:
            return door.failed(error)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = await self._door()
        await receive()
        request = request_of(scope)
        try:
            session = await self._session(door, request)
            if isinstance(session, Reply):
                await _deny(door, request, session, scope, send)
                return
            if door.shared.draining and not door.shared.last_call:
                raise stopping()
            source = door.shared.admission.admit(request.peer)
        except Exception as error:
            await _deny(door, request, door.failed(error), scope, send)
            return
        await AsgiPeer(door.shared, session, request, source).run(receive, send)

    async def _session(self, door: Door, request: Request) -> Session | Reply:
        """Who is to speak with the client; or why nobody is. Raises Refusal."""
        answer = door.answer(request)
        if isinstance(answer, AskHook):
            hooks = door.shared.connect_hooks
            answer = answer.answer(await hooks.admits(answer.app_key, answer.url, answer.token, answer.tag))
        if isinstance(answer, OpenSocket):
            return answer.session
        return await _finished(answer, request)


async def _finished(answer: Answer, request: Request) -> Reply:
    """The reply to a request that may only be replied to. Raises Refusal."""
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, Awaitable):
        return await answer
    if isinstance(answer, OpenStream):
        message = "Inside an ASGI application there are no HTTP fallbacks: connect with a WebSocket."
        raise Refusal(501, "no_fallbacks", message, headers=answer.headers)
    check_handshake(request)
    raise Refusal(400, "bad_handshake", "The web server in front does not speak WebSocket.")


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """The body, or as much of it as shows that it is too long; None when the client has gone."""
    body = bytearray()
    while len(body) <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


async def _deny(door: Door, request: Request, reply: Reply, scope: Scope, send: Send) -> None:
    """Refuse a handshake, in our words where the ASGI server lets us."""
    if _DENIAL in (scope.get("extensions") or {}):
        for message in reply_messages(encoded_reply(door.shared, request, reply, keep_alive=True), _DENIAL):
            await send(message)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": reply.code})
