"""The parameters of a request, from wherever the caller put them.

They come from an urlencoded, multipart or JSON body, or from the query string. The body beats the query, the first of a
repeated name wins, and an empty value counts as absent.
"""

import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pushery.core.exchange import Refusal, Request

MAX_FIELDS: Final = 64
"""More than any route takes. It bounds the work that one body can ask for."""

_FORM: Final = b"application/x-www-form-urlencoded"
_ABSENT: Final = (None, "", b"")
"""What counts as no value. Not 0, false, [] or {}: those are values of a wrong type."""


class Parameters:
    """What a caller sent, by name."""

    __slots__ = ("_body", "_query")

    def __init__(self, request: Request) -> None:
        self._body = _from_body(request)
        self._query = _from_form(request.query.encode()) if request.query else {}

    def optional(self, name: str) -> str:
        """The parameter's value, "" when it is absent or empty."""
        value = self._body.get(name)
        if value in _ABSENT:
            value = self._query.get(name) or ""
        if isinstance(value, str):
            return value
        if isinstance(value, bytes):
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise _malformed(name, f"The parameter '{name}' is not valid UTF-8.") from None
        raise _malformed(name, f"The parameter '{name}' must be a string.")

    def required(self, name: str) -> str:
        """The parameter's value; a Refusal that names it when there is none."""
        value = self.optional(name)
        if not value:
            message = f"Send the parameter '{name}': in a form, a JSON object or the query."
            raise Refusal(400, "missing_parameter", message, parameter=name)
        return value


def _malformed(name: str, message: str) -> Refusal:
    return Refusal(400, "malformed_parameter", message, parameter=name)


def _from_body(request: Request) -> Mapping[str, object]:
    if not request.body:
        return {}
    declared = request.header(b"content-type")
    kind = declared.partition(b";")[0].strip().lower()
    if kind in (_FORM, b""):
        return _from_form(request.body)
    if kind == b"application/json":
        return _from_json(request.body)
    if kind == b"multipart/form-data":
        return _from_multipart(declared, request.body)
    message = "Send parameters as application/x-www-form-urlencoded, multipart/form-data or application/json."
    raise Refusal(415, "unsupported_media_type", message)


def _from_form(body: bytes) -> dict[str, object]:
    pairs = body.split(b"&", MAX_FIELDS)
    if len(pairs) > MAX_FIELDS:
        raise _too_many()
    return _first_wins((_unquote(name), _unquote(value)) for name, _, value in (pair.partition(b"=") for pair in pairs))


def _unquote(raw: bytes) -> bytes:
    """Decode "+" and "%xx"; a "%" that begins no escape stands for itself.

    `a2b_qp` reads `=41` as this format has `%41`, and takes for a whole body of escapes what one of Python's own calls
    takes for a few. What else means something to it is rewritten before, each in one pass, so that no body is slow.
    """
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    if b"%" not in raw:
        return raw
    if b"%%" in raw:
        raw = raw.replace(b"%%", b"%25%").replace(b"%%", b"%25%")  # the second where the first has left two together
    if raw.endswith(b"%"):
        raw += b"25"
    for line_end in (b"%\r", b"%\n"):
        if line_end in raw:
            raw = raw.replace(line_end, b"%25" + line_end[1:])
    # "=" and "%" change places until it is decoded. So an escape for either is one for the other, and a "%" that begins
    # no escape, which comes out as "=", ends as the "%" that it was.
    raw = raw.replace(b"%3D", b"=").replace(b"%3d", b"=").replace(b"%25", b"%3D")
    return binascii.a2b_qp(raw.translate(_SWAPPED)).translate(_SWAPPED)


_SWAPPED: Final = bytes.maketrans(b"%=", b"=%")


def _first_wins(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, object]:
    """Values stay bytes until they are asked for, so that an error names the parameter it is about."""
    values: dict[str, object] = {}
    for name, value in pairs:
        values.setdefault(name.decode("utf-8", "replace"), value)
    return values


def _from_json(body: bytes) -> Mapping[str, object]:
    try:
        values = msgspec.json.decode(body)
        if not isinstance(values, dict):
            raise Refusal(400, "malformed_body", "The JSON body must be an object.")
        fields: Mapping[str, object] = values
        if len(values) > MAX_FIELDS:
            raise _too_many()
        # Perhaps a repeated name, of which msgspec takes the last, or one spelled with escapes.
        if rb"\u" in body or any(body.count(b'"%b"' % name.encode()) > 1 for name in values):
            fields = json.loads(body, object_pairs_hook=_first_of_pairs)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Refusal(400, "malformed_body", "The body is not valid JSON.") from None
    return fields


def _first_of_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))


def _from_multipart(declared: bytes, body: bytes) -> dict[str, object]:
    boundary = parse_options_header(declared)[1].get(b"boundary", b"")
    if not boundary:  # RFC 2046 5.1.1
        raise Refusal(400, "malformed_body", "The Content-Type of a multipart body needs a boundary.")
    form = _MultipartForm()
    try:
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]  # a TypedDict of these names
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise Refusal(400, "malformed_body", "The multipart body cannot be read.") from None
    if not form.ended:
        raise Refusal(400, "malformed_body", "The multipart body ends too early.")
    return _first_wins(form.pairs)


class _MultipartForm:
    """Collects name and value of each part; a part with a file name counts like any other."""

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []
        self.ended = False
        self._name = self._header = self._disposition = b""
        self._value: list[bytes] = []

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.pairs) >= MAX_FIELDS:
            raise _too_many()
        self._name, self._header, self._disposition, self._value = b"", b"", b"", []

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._name = parse_options_header(self._disposition)[1].get(b"name", b"")
        self._header = b""

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._value.append(data[start:end])

    def _end_part(self) -> None:
        self.pairs.append((self._name, b"".join(self._value)))

    def _end(self) -> None:
        self.ended = True


def _too_many() -> Refusal:
    return Refusal(400, "too_many_parameters", f"Send at most {MAX_FIELDS} parameters.")
