"""From a request's method and path to the function that answers it."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from pushery.core.effects import Handler, Outcome, Route
from pushery.core.exchange import Refusal, Request

Elsewhere = Callable[[Request], Outcome | None]
"""What to make of a request whose path leads nowhere; None when that is for the router to say."""


def nowhere(request: Request) -> Outcome | None:
    """Nothing at all: the usual thing to make of it."""
    return None


_NO_PARAMS: Final[Mapping[str, str]] = {}
_MAX_KNOWN: Final = 1024
"""Paths remembered; past that all are forgotten, which costs less than keeping an order."""

_MAX_KNOWN_PATH: Final = 256
_PARAMETER: Final = re.compile(r"{(\w+)\*?}")


class _Segment:
    """One segment of the tree of paths."""

    __slots__ = ("any", "handlers", "names", "next")

    def __init__(self) -> None:
        self.next: dict[str, _Segment] = {}
        self.any: _Segment | None = None
        """Where a segment leads that stands for a parameter."""
        self.handlers: dict[str, Handler] = {}
        self.names: tuple[str, ...] = ()
        """The parameters on the way here."""


class Router:
    """A tree of path segments. A literal segment wins over a parameter, and a prefixed route over one without, unless
    that takes more of the path literally.
    """

    def __init__(self, routes: Iterable[Route], elsewhere: Elsewhere = nowhere) -> None:
        self.routes = tuple(routes)
        self._elsewhere = elsewhere
        self._root = _Segment()
        self._known: dict[str, tuple[_Segment, Mapping[str, str]]] = {}
        """What `_look_up` has found for paths that take POST."""
        prefixed = [route.path.split("/")[1:] for route in self.routes if route.prefixed and "*}" not in route.path]
        self._tails = tuple({(segments[0], len(segments)): None for segments in prefixed})
        """How the paths of prefixed routes begin, and how many segments they have."""
        self._spanning: list[tuple[str, re.Pattern[str], _Segment]] = []
        """Routes with a parameter of several segments, tried when the tree leads nowhere."""
        for route in self.routes:
            self._add(route)

    def dispatch(self, request: Request) -> Outcome:
        """Answer the request. Raises whatever the route's function raises, and Refusals of its own (404, 405, 400)."""
        found = self._known.get(request.path) or self._look_up(request.path)
        if found is None:
            outcome = self._elsewhere(request)
            if outcome is not None:
                return outcome
            message = "There is nothing at this path; the reference lists all routes."
            raise Refusal(404, "unknown_route", message)
        place, params = found
        handler = place.handlers.get(request.method)
        if handler is None and request.method == "HEAD":
            handler = place.handlers.get("GET")
        if handler is None:
            allowed = ", ".join(self._methods(place))
            message = f"This path answers {allowed}."
            raise Refusal(405, "method_not_allowed", message, headers=(("Allow", allowed),))
        return handler(request, params)

    def _look_up(self, path: str) -> "tuple[_Segment, Mapping[str, str]] | None":
        """Where a path leads, and its parameters. Backends ask for the same few all the time: these are remembered."""
        found = self._find(path)
        if found is None:
            return None
        place, values = found
        params: Mapping[str, str] = _NO_PARAMS
        if values:
            params = {name: _decode(name, value) for name, value in zip(place.names, values, strict=True)}
        if "POST" in place.handlers and len(path) <= _MAX_KNOWN_PATH:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[path] = place, params
        return place, params

    def methods(self, path: str) -> list[str]:
        """What a path answers, for OPTIONS; all methods there are for "*", none for an unknown path."""
        if path == "*":
            return sorted({route.method for route in self.routes} | {"HEAD", "OPTIONS"})
        found = self._find(path)
        return [] if found is None else self._methods(found[0])

    def _methods(self, place: _Segment) -> list[str]:
        return sorted({*place.handlers, "OPTIONS", *(["HEAD"] if "GET" in place.handlers else [])})

    def _find(self, path: str) -> tuple[_Segment, list[str]] | None:
        segments = path.split("/")[1:]
        found = self._walk(segments)
        literals = 0 if found is None else len(segments) - len(found[1])
        for first, count in self._tails:
            if len(segments) > count and segments[-count] == first:
                prefixed = self._walk(segments[-count:])
                if prefixed is not None and count - len(prefixed[1]) >= literals:
                    return prefixed
        if found is None:
            for end, pattern, place in self._spanning:
                # Where the end fits, the pattern finds it at once; else it would take the square of the length.
                match = pattern.fullmatch(path) if path.endswith(end) else None
                if match is not None:
                    return place, list(match.groups())
        return found

    def _walk(self, segments: list[str]) -> tuple[_Segment, list[str]] | None:
        place, values = self._root, []
        for segment in segments:
            onward = place.next.get(segment)
            if onward is None:
                onward = place.any
                if onward is None:
                    return None
                values.append(segment)
            place = onward
        return (place, values) if place.handlers else None

    def _add(self, route: Route) -> None:
        if "*}" in route.path:
            self._add_spanning(route)
            return
        place, names = self._root, []
        for segment in route.path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                if place.any is None:
                    place.any = _Segment()
                place = place.any
            else:
                place = place.next.setdefault(segment, _Segment())
        place.names = tuple(names)
        place.handlers[route.method] = route.handle

    def _add_spanning(self, route: Route) -> None:
        place = _Segment()
        place.names = tuple(_PARAMETER.findall(route.path))
        place.handlers[route.method] = route.handle
        form = "".join(
            "(.+)" if part.endswith("*}") else "([^/]+)" if part.startswith("{") else re.escape(part)
            for part in re.split(r"({\w+\*?})", route.path)
        )
        end = route.path.rpartition("}")[2]
        self._spanning.append((end, re.compile(f".*?{form}" if route.prefixed else form), place))


def _decode(name: str, segment: str) -> str:
    """Percent-decode one segment (RFC 3986 2.1), after splitting, so that %2F is part of it."""
    if "%" not in segment:
        return segment
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        message = f"'{name}' in the path is not UTF-8: percent-encode its UTF-8 bytes."
        raise Refusal(400, "malformed_parameter", message, parameter=name) from None
