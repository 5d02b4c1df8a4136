"""What comes in with a request as checked values: JSON bodies, and numbers in the query.

Does not know who asks or what for. Invariant: what is not as it should be is a Refusal that says how it should be.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

import msgspec

from pushery.core.exchange import Refusal, Request

_JSON: Final = (b"application/json", b"application/merge-patch+json")

T = TypeVar("T")


def read_json(request: Request, kind: type[T]) -> T:
    """The body as this type. Only JSON: a page of somebody else's cannot send that without being asked (CORS)."""
    if request.header(b"content-type").partition(b";")[0].strip().lower() not in _JSON:
        raise Refusal(415, "unsupported_media_type", "Send a JSON object with Content-Type: application/json.")
    try:
        return msgspec.json.decode(request.body, type=kind)
    except msgspec.ValidationError as error:
        raise Refusal(400, "malformed_body", f"The JSON body does not fit: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "malformed_body", "The body is not valid JSON.") from None


def read_numbers(request: Request, schemas: Mapping[str, Mapping[str, Any]]) -> list[int]:
    """These whole numbers of the query, in order; each has a `minimum`, a `maximum` and a `default`."""
    query = parse_qs(request.query, keep_blank_values=True)
    return [_number(name, query.get(name, (str(schema["default"]),))[0], schema) for name, schema in schemas.items()]


def read_text(request: Request, name: str) -> str:
    """A text of the query, "" when it was not sent."""
    return parse_qs(request.query).get(name, ("",))[0]


def _number(name: str, text: str, schema: Mapping[str, Any]) -> int:
    if re.fullmatch("[0-9]{1,10}", text) and schema["minimum"] <= int(text) <= schema["maximum"]:
        return int(text)
    message = f"'{name}' must be a whole number from {schema['minimum']} to {schema['maximum']}."
    raise Refusal(400, "malformed_parameter", message, parameter=name)
