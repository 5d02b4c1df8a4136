"""The HTTP client that hooks are posted with: one bounded attempt at a time, whose every end is an `Outcome`.

Neither signs nor retries an event. What a server answers is its status and, where it is short, its body; only after a
body that was read to its end the connection is kept. Invariant: unless the settings allow it, no connection is made to
an address that is not public, whatever name, spelling, resolver or redirect led there: each address is judged as it is
connected to.
"""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pushery.workers.addresses import is_public
from pushery.workers.resolver import threaded_resolver
from pushery.workers.traces import HookTrace

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from yarl import URL

MOST_READ: Final = 4096
"""Bytes of an answer that are read, so that its connection can be used again; with a longer one it is closed."""

MOST_READING_S: Final = 1.0
"""Seconds that the rest of such an answer may take."""

MOST_REDIRECTS: Final = 3
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
KEEPALIVE_S: Final = 30.0
DNS_CACHE_S: Final = 10

PRIVATE: Final = "is not a public address (the setting webhook_private_addresses allows it)"
REDIRECTED: Final = "redirects are not followed (the setting webhook_redirects allows it)"


class Outcome(NamedTuple):
    """How an attempt ended. `final`: it would end the same way the next time."""

    accepted: bool
    error: str = ""
    final: bool = False
    body: bytes | None = None
    """What was answered, of at most `MOST_READ` bytes; None when it was longer, slow or broken, or nothing came."""
    status: int = 0
    """The last answer's; 0 when there was none."""


_CUT_OFF: Final = Outcome(False, "cut off")
"""Of a request that nobody waits for any more."""


class HookClient:
    """Keeps connections alive. Belongs to the event loop that it was made in."""

    def __init__(self, *, timeout_s: float, private_addresses: bool, redirects: bool) -> None:
        import aiohttp  # 7 MiB of memory that only servers with webhooks pay for

        self._aiohttp = aiohttp
        self._timeout_s = timeout_s
        self._under_way = 0
        self._is_retired = False
        self._redirects = redirects
        connector = aiohttp.TCPConnector(
            limit=0,  # who calls bounds how many there are
            ttl_dns_cache=DNS_CACHE_S,
            keepalive_timeout=KEEPALIVE_S,
            resolver=threaded_resolver(),
            socket_factory=_any_socket if private_addresses else _public_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),
        )

    async def post(
        self,
        url: str,
        content: bytes,
        headers: Mapping[str, str],
        own: Mapping[str, str],
        trace: HookTrace | None = None,
    ) -> Outcome:
        """POST `content`; the headers are `headers`, and `own`, which no redirect takes to another server.

        `trace` adds its own to the former, and is told how the request has ended.
        """
        if trace is not None:
            headers = {**headers, **trace.headers}
            own = {name: value for name, value in own.items() if name.lower() not in trace.headers}
        outcome = _CUT_OFF
        self._under_way += 1
        try:
            outcome = await self._attempt(url, content, headers, own)
            return outcome
        finally:
            self._under_way -= 1
            if trace is not None:
                trace.end(outcome.status, outcome.error)
            if self._is_retired and not self._under_way:
                await self.close()

    async def _attempt(self, url: str, content: bytes, headers: Mapping[str, str], own: Mapping[str, str]) -> Outcome:
        aiohttp = self._aiohttp
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            return await self._follow(url, content, headers, own, deadline)
        except TimeoutError:
            return Outcome(False, f"no answer within {self._timeout_s:g} s")
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            return Outcome(False, "the URL cannot be used", final=True)
        except aiohttp.ClientConnectorDNSError:
            return Outcome(False, "the host's name cannot be resolved")
        except aiohttp.ClientConnectorError as error:
            text = str(error.os_error)
            return Outcome(False, f"no connection: {text}", final=PRIVATE in text)
        except aiohttp.ServerDisconnectedError:
            return Outcome(False, "the server closed the connection without an answer")
        except aiohttp.ClientResponseError:  # its text holds the whole URL, in which secrets stand
            return Outcome(False, "the answer is not HTTP")
        except (aiohttp.ClientError, OSError) as error:
            return Outcome(False, f"{type(error).__name__}: {error}"[:300])
        except ValueError as error:  # a host name that IDNA refuses, a header that HTTP does
            return Outcome(False, f"the request cannot be made: {error}"[:300], final=True)

    async def retire(self) -> None:
        """Close all connections once nothing is under way; what is, goes on by the options of this client."""
        self._is_retired = True
        if not self._under_way:
            await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _follow(
        self, url: str, content: bytes, headers: Mapping[str, str], own: Mapping[str, str], deadline: float
    ) -> Outcome:
        from yarl import URL

        target, sent = URL(url), {**own, **headers}
        for _ in range(MOST_REDIRECTS + 1):
            status, location, body = await self._request(target, content, sent, deadline)
            if 200 <= status < 300:
                return Outcome(True, body=body, status=status)
            if status not in REDIRECTS or not location:
                return Outcome(False, f"HTTP {status}", status=status)
            if not self._redirects:
                return Outcome(False, f"HTTP {status}: {REDIRECTED}", status=status)
            if status == 303:
                return Outcome(False, "HTTP 303: the answer sends us elsewhere, but not the event", status=status)
            following = target.join(URL(location))
            if target.scheme == "https" and following.scheme != "https":
                return Outcome(False, f"HTTP {status}: the redirect leaves TLS", status=status)
            if following.origin() != target.origin():
                sent = dict(headers)  # the webhook's own may be credentials of the first server
            target = following
        return Outcome(False, f"more than {MOST_REDIRECTS} redirects", status=status)

    async def _request(
        self, target: "URL", content: bytes, headers: Mapping[str, str], deadline: float
    ) -> tuple[int, str, bytes | None]:
        try:
            return await self._once(target, content, headers, deadline)
        except self._aiohttp.ServerDisconnectedError:
            # Most often a kept connection that the other side has closed while it was idle: a fresh one tells.
            return await self._once(target, content, headers, deadline)

    async def _once(
        self, target: "URL", content: bytes, headers: Mapping[str, str], deadline: float
    ) -> tuple[int, str, bytes | None]:
        async with asyncio.timeout_at(deadline):
            response = await self._session.post(target, data=content, headers=headers, allow_redirects=False)
        async with response:
            body = await self._read_or_close(response)
            return response.status, response.headers.get("Location", ""), body

    async def _read_or_close(self, response: "ClientResponse") -> bytes | None:
        """Read a short answer to its end. One that is long, slow or broken has its connection closed."""
        body, read = response.content, b""
        with contextlib.suppress(self._aiohttp.ClientError, self._aiohttp.http.HttpProcessingError, TimeoutError):
            async with asyncio.timeout(MOST_READING_S):
                while len(read) <= MOST_READ and not body.at_eof():
                    read += await body.read(MOST_READ + 1 - len(read))
        if body.exception() is not None or not body.at_eof():
            response.close()
            return None
        return read if len(read) <= MOST_READ else None


def _any_socket(address: "tuple[Any, Any, int, str, tuple[Any, ...]]") -> socket.socket:
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


def _public_socket(address: "tuple[Any, Any, int, str, tuple[Any, ...]]") -> socket.socket:
    """The socket for an address that is about to be connected to; OSError when it may not be."""
    host = str(address[4][0])
    if not is_public(host):
        raise OSError(f"{host} {PRIVATE}")
    return _any_socket(address)
