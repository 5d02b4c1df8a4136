"""The parameters of GoPusher requests: values or a Refusal, and forms are read as the standard library reads them."""

import logging
from typing import Final
from urllib.parse import unquote_to_bytes

from pushery.core.exchange import Refusal, Request
from pushery.dialects.gopusher.parameters import MAX_FIELDS, Parameters

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # as the server has it

_KINDS: Final = (
    b"application/x-www-form-urlencoded",
    b"application/json",
    b"multipart/form-data; boundary=b",
    b"",
    b"text/plain",
)
_NAMES: Final = ("content", "user_tag")
_PART: Final = b'--b\r\nContent-Disposition: form-data; name="content"\r\n\r\nhello\r\n'
SEEDS: Final = [
    b"\x00content=a+b%20c&user_tag=%5EA%3A1%24&content=2",
    b"\x00content=%%41%3D%3d%25%\r\n%4&user_tag",
    b"\x00" + b"a=b&" * MAX_FIELDS + b"content=x",
    b'\x01{"content":"x","user_tag":"\\u00e9","content":"y"}',
    b'\x01{"content":null,"user_tag":7}',
    b"\x01" + b"[" * 2000,
    b"\x02" + _PART + _PART.replace(b"content", b"user_tag") + b"--b--\r\n",
    b"\x02preamble\r\n" + _PART + b"--b\r\nContent-Disposition: form-data; name=x; filename=y\r\n\r\n\r\n--\r\n--b--",
    b"\x03content=x",
    b"\x04content=x",
]


def target(data: bytes) -> None:
    """The first byte chooses the content type; the rest is the body, and the query too where that is possible."""
    kind, body = _KINDS[data[0] % len(_KINDS)] if data else b"", data[1:]
    query = body.decode("latin-1") if body.isascii() else ""
    try:
        sent = Parameters(Request("POST", "/", query, {b"content-type": kind}, body))
    except Refusal as refusal:
        assert refusal.status in (400, 415)
        return
    for name in _NAMES:
        try:
            value = sent.optional(name)
        except Refusal as refusal:
            assert refusal.status == 400
            continue
        assert isinstance(value, str)
        if kind in (_KINDS[0], b"") and body:
            assert value == _from_form(body, name)


def _from_form(body: bytes, name: str) -> str:
    for pair in body.split(b"&"):
        key, _, value = pair.partition(b"=")
        if unquote_to_bytes(key.replace(b"+", b" ")).decode("utf-8", "replace") == name:
            return unquote_to_bytes(value.replace(b"+", b" ")).decode()
    return ""
