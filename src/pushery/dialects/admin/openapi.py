"""The OpenAPI 3.1 document of some routes, made from what the code says about them, so that it cannot fall behind.

Serves nothing. Source: https://spec.openapis.org/oas/v3.1.0. Invariant: the same operations make the same bytes.
"""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from pushery.dialects.admin.bodies import AppPatch, Error

_REASONS: Final = {
    400: "The request is malformed; the error says how.",
    401: "Not the super admin's credentials.",
    404: "There is no such app, or no such key.",
    409: "The app's keys do not allow it.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    503: "The registry cannot be written now; nothing was changed.",
}

_PATH_PARAMETERS: Final = {
    "app_key": "What the app is called, or any of its valid keys.",
    "key": "The key to revoke.",
}

_INTRO: Final = (
    "Apps, their settings and their keys, for the super admin. Changes are durable when they are answered, and hold "
    "at once on the server that was asked."
)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One route, with what it takes and answers. `handler` names the method that carries it out.

    `query` maps the names of whole-number parameters to their schema.
    """

    method: str
    path: str
    handler: str
    summary: str
    status: int = 200
    answer: type | None
    body: type | None = None
    query: Mapping[str, Mapping[str, object]] = {}
    refusals: Sequence[int] = ()
    open: bool = False
    """Whether anybody may call it."""


def render(operations: Iterable[Operation]) -> str:
    """The document as indented JSON, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(document(operations)), indent=2).decode() + "\n"


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document, as values that JSON has."""
    operations = list(operations)
    types = {kind: None for each in operations for kind in (each.body, each.answer) if kind is not None}
    refs, schemas = _schemas([*types, Error])
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pushery admin API", "version": "1", "description": _INTRO},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"superAdmin": {"type": "http", "scheme": "basic"}},
        },
        "security": [{"superAdmin": []}],
    }


def _schemas(types: Sequence[type]) -> tuple[dict[type, Any], dict[str, Any]]:
    refs, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    settings, patch = schemas.get("AppSettings"), schemas.get(AppPatch.__name__)
    if settings is not None and patch is not None:
        # The members of a patch are those of the settings, each or null: a type of our own would only repeat them.
        schemas["SettingsPatch"] = {
            "title": "SettingsPatch",
            "description": "Settings to change. What is null goes back to its default, what is absent stays.",
            "type": "object",
            "properties": {name: _or_null(schema) for name, schema in settings["properties"].items()},
            "additionalProperties": False,
        }
        patch["properties"]["settings"] = _or_null({"$ref": "#/components/schemas/SettingsPatch"})
    for schema in schemas.values():
        if "description" in schema:  # a docstring, which msgspec before 0.23 gives with the indent it has in the source
            schema["description"] = inspect.cleandoc(schema["description"])
    return dict(zip(types, refs, strict=True)), schemas


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    about = {name: value for name, value in schema.items() if name == "description"}
    rest = {name: value for name, value in schema.items() if name not in ("description", "default")}
    return {**about, "anyOf": [rest, {"type": "null"}]}


def _operation(operation: Operation, refs: Mapping[type, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": operation.handler, "summary": operation.summary}
    if operation.open:
        found["security"] = []
    parameters = [*_path_parameters(operation.path), *_query_parameters(operation.query)]
    if parameters:
        found["parameters"] = parameters
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": _json_of(refs[operation.body])}
    answer = {"type": "object"} if operation.answer is None else refs[operation.answer]
    found["responses"] = {str(operation.status): {"description": "Done.", "content": _json_of(answer)}}
    for status in operation.refusals:
        found["responses"][str(status)] = {"description": _REASONS[status], "content": _json_of(refs[Error])}
    return found


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_PARAMETERS[name],
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(query: Mapping[str, Mapping[str, object]]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": dict(schema)} for name, schema in query.items()]


def _json_of(schema: object) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
