"""One HTTP exchange as values: what a dialect is asked, and what it answers.

Bytes become a `Request` in `wire.http`, and a `Reply` becomes bytes there. Dialects only ever see these two.
"""

from collections.abc import Mapping

import msgspec


class Request(msgspec.Struct):
    """A complete HTTP request.

    `path` and `query` are exactly as sent: not decoded, without the "?" between them. Header names are lower case;
    of a repeated header the values are joined with ", " (RFC 9110 5.3). `version` is "1.0" or "1.1".
    `peer` is the sender's "ip:port" ("[ip]:port" for IPv6). `upgrade` is true when the sender offers to go on
    in WebSocket frames: what follows the request on its connection is not another request. `secure` is true when it
    came by TLS. `verified` names the credentials that a dialect has found to be right. `began` is when its turn came,
    in monotonic seconds, where somebody wants to know that. `shown` is the path as others may see it, in a log for
    example, where it holds what lets its sender in; "" where it does not.
    """

    method: str
    path: str
    query: str
    headers: Mapping[bytes, bytes]
    body: bytes
    version: str = "1.1"
    keep_alive: bool = True
    peer: str = ""
    upgrade: bool = False
    secure: bool = False
    verified: str = ""
    began: float = 0.0
    shown: str = ""

    @property
    def shown_path(self) -> str:
        """The path as others may see it."""
        return self.shown or self.path

    def header(self, name: bytes) -> bytes:
        """The value of the header `name` (lower case), b"" when it was not sent."""
        return self.headers.get(name, b"")


class Reply(msgspec.Struct, frozen=True):
    """An answer. `headers` come after Content-Type and Content-Length, which are written for every reply.

    `code` is that of the error it tells of, "" where all is well; it is counted, not sent.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    code: str = ""


class Refusal(Exception):
    """Why a request is answered with an error. Raised by a dialect or by the HTTP parser, turned into a `Reply` once.

    `code` is the snake_case word programs read, `message` the sentence people read: it says what to do.
    `extra` holds further members of the error object, such as the offending parameter's name.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        **extra: object,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.extra = extra

    def reply(self) -> Reply:
        """The JSON error object every route answers with: `{"error":{"code":...,"message":...}}`."""
        error = {"code": self.code, "message": self.message, **self.extra}
        return Reply(self.status, msgspec.json.encode({"error": error}), self.headers, code=self.code)
