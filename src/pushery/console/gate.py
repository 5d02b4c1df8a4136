"""The way into the console: a form, a cookie, and a word that only the console's own pages know.

The cookie (RFC 6265) is sent along by no page of somebody else's (SameSite=Strict) and read by no script. Whatever
changes something also needs the session's CSRF word in a header, and the form needs the one it came with. Wrong
passwords are counted together with those of the HTTP API. Invariant: nothing behind the gate is answered without a
session, and nothing is changed without that word.
"""

import hmac
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

import structlog

from pushery.console.pages import Pages
from pushery.console.visitors import Visitor, Visitors
from pushery.core.apps import App
from pushery.core.appsettings import OPERATORS_ONLY
from pushery.core.basicauth import credentials, name_of
from pushery.core.effects import Outcome, Route
from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.guesses import Guesses
from pushery.core.ports import Clock, IdSource
from pushery.core.sources import source_of
from pushery.dialects.admin.guards import Still

log = structlog.get_logger("pushery.console")

COOKIE: Final = "pushery_console"
FORM_COOKIE: Final = "pushery_console_form"
_HOST: Final = "__Host-"
"""What the name of a cookie begins with that came by TLS from this very host, whatever else runs on it or beside it."""

_FORM: Final = b"application/x-www-form-urlencoded"
_MAX_FORM_FIELDS: Final = 10
_MAX_FORM: Final = 16 * 1024
"""Bytes of a form. Anybody may send one, and reading one of a million bytes takes 90 ms."""


class Gate:
    """Lets visitors in and out, and is the `Guard` of what they ask for."""

    def __init__(self, visitors: Visitors, pages: Pages, guesses: Guesses, ids: IdSource, clock: Clock) -> None:
        self._visitors = visitors
        self._pages = pages
        self._guesses = guesses
        self._ids = ids
        self._clock = clock

    def routes(self) -> list[Route]:
        """The pages, and signing in and out."""
        return [
            Route("GET", "/console", self.shell, "The console (a page)."),
            Route("GET", "/console/", self.shell, "The same."),
            Route("GET", "/console/sign-in", self.form, "The console's sign-in form."),
            Route("POST", "/console/sign-in", self.sign_in, "Sign in to the console."),
            Route("POST", "/console/sign-out", self.sign_out, "Sign out of the console."),
            Route("GET", "/console/static/{path*}", self.static, "The console's styles and modules."),
        ]

    def shell(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console"""
        return self._pages.page("index.html") if self._find(request) else _go("/console/sign-in")

    def static(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/static/{path*}"""
        found = self._pages.file(request, params["path"])
        if found is None:
            raise Refusal(404, "unknown_route", "There is no such file.")
        return found

    def form(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/sign-in"""
        return _go("/console") if self._find(request) else self._form(request)

    def sign_in(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /console/sign-in"""
        sent = _form_fields(request)
        if not _is_from_own_form(request, sent.get("csrf", "")):
            return self._form(request, 403, "stale_form", "This form was open for too long. Try again.")
        account, password, now = sent.get("account", ""), sent.get("password", ""), self._clock.monotonic()
        source, name = source_of(request.peer), name_of(credentials(account, password))
        wait_s = math.ceil(self._guesses.wait(source, name, now))
        if wait_s:
            message = f"Too many wrong passwords came from your address. Try again in {wait_s} s."
            return self._form(request, 429, "too_many_failures", message, ("Retry-After", str(wait_s)))
        visitor = self._visitors.sign_in(account, password, now)
        if visitor is None:
            if self._guesses.wrong(source, now):
                log.warning("credentials_guessed", source=source, limit_per_minute=self._guesses.limit)
            return self._form(request, 401, "unauthorized", "This account and password do not fit.", account=account)
        self._guesses.right(source, name)
        return _go("/console", _set_cookie(COOKIE, visitor.token, request))

    def sign_out(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /console/sign-out"""
        visitor = self._find(request)
        if visitor is not None:
            _require_word(request, visitor)
            self._visitors.sign_out(visitor.token)
        return _go("/console/sign-in", _set_cookie(COOKIE, "", request))

    def visitor(self, request: Request) -> Visitor:
        """Who asks. Raises Refusal when nobody is signed in, and when somebody else's page may be asking."""
        visitor = self._find(request)
        if visitor is None:
            raise Refusal(401, "unauthorized", "Sign in to the console first: the session has ended.")
        if request.method not in ("GET", "HEAD"):
            _require_word(request, visitor)
        return visitor

    def operator(self, request: Request) -> None:
        """Only who has signed in as the super admin."""
        if not self._visitors.is_operator(self.visitor(request)):
            raise Refusal(403, "operators_only", "Only the super admin may do this.")

    def administrator(self, request: Request, app: App | None) -> None:
        """Who has signed in as the app's admin, or as the super admin."""
        visitor = self.visitor(request)
        if app is not None and not self._visitors.administers(visitor, app):
            raise Refusal(404, "unknown_app", "There is no app with this key: register one, or check the key.")

    def still(self, request: Request) -> Still:
        """What they have signed in with still opens the app."""
        visitor = self.visitor(request)
        return lambda app: self._visitors.administers(visitor, app)

    def listed(self, request: Request, apps: Sequence[App]) -> Sequence[App]:
        """Those that the visitor administers."""
        return list(self._visitors.apps_of(self.visitor(request)).values())

    def setter(self, request: Request, names: Collection[str]) -> None:
        """An app's admin cannot change how much of the server the app may use."""
        kept = OPERATORS_ONLY.intersection(names)
        if kept and not self._visitors.is_operator(self.visitor(request)):
            message = f"Only the super admin may change {', '.join(sorted(kept))}."
            raise Refusal(403, "operators_only", message, parameter="settings")

    def from_own_page(self, request: Request) -> Visitor:
        """Who opens a socket. Scripts cannot send headers with that, so it is where the page is from that counts."""
        visitor = self.visitor(request)
        host = request.header(b"host").lower()
        # Either scheme: a proxy may speak TLS in front of this server without saying so.
        if request.header(b"origin").lower() not in (b"http://" + host, b"https://" + host):
            raise Refusal(403, "foreign_origin", "The console's feed is for the console's own pages.")
        return visitor

    def _find(self, request: Request) -> Visitor | None:
        now = self._clock.monotonic()
        found = (self._visitors.find(token, now) for token in _cookies(request, COOKIE))
        return next((visitor for visitor in found if visitor is not None), None)

    def _form(
        self,
        request: Request,
        status: int = 200,
        code: str = "",
        message: str = "",
        *headers: tuple[str, str],
        account: str = "",
    ) -> Reply:
        """The form, with a new word of its own; `account` is filled in already."""
        word = self._ids.secret()
        page = self._pages.page("sign-in.html", status, code, csrf=word, message=message, account=account)
        headers = (*page.headers, *headers, _set_cookie(FORM_COOKIE, word, request))
        return Reply(status, page.body, headers, page.content_type, code)


def _require_word(request: Request, visitor: Visitor) -> None:
    if not hmac.compare_digest(request.header(b"x-csrf-token"), visitor.csrf.encode()):
        raise Refusal(403, "csrf_token_missing", "Send the session's csrf word as X-CSRF-Token, as the page does.")


def _form_fields(request: Request) -> dict[str, str]:
    if request.header(b"content-type").partition(b";")[0].strip().lower() != _FORM:
        raise Refusal(415, "unsupported_media_type", "Send the form as application/x-www-form-urlencoded.")
    if len(request.body) > _MAX_FORM:
        raise Refusal(413, "body_too_large", f"A request body may have {_MAX_FORM} bytes.")
    try:
        fields = parse_qs(request.body.decode(), keep_blank_values=True, max_num_fields=_MAX_FORM_FIELDS)
    except ValueError:
        raise Refusal(400, "malformed_body", "The form could not be read.") from None
    return {name: values[0] for name, values in fields.items()}


def _is_from_own_form(request: Request, word: str) -> bool:
    """Whether the form is ours: it knows the word of its cookie.

    A page on another port of this host can set that cookie itself. Browsers tell where a form is from (Fetch Metadata),
    but not over a connection that is not to be trusted.
    """
    if request.header(b"sec-fetch-site") not in (b"", b"same-origin", b"none"):
        return False
    return any(hmac.compare_digest(each.encode(), word.encode()) for each in _cookies(request, FORM_COOKIE) if each)


def _cookies(request: Request, name: str) -> list[str]:
    """The values of all cookies of this name.

    Browsers keep cookies by host, whatever the port: those of other programs there come along, and may look like
    anything. So only what is between semicolons counts (RFC 6265 4.2.1), where `http.cookies` gives up on all of them.
    """
    name = _HOST + name if request.secure else name
    pairs = (pair.partition("=") for pair in request.header(b"cookie").decode("latin-1").split(";"))
    return [value.strip() for found, _, value in pairs if found.strip() == name]


def _set_cookie(name: str, value: str, request: Request) -> tuple[str, str]:
    """By TLS, one that no other program of this host or its domain can set (RFC 6265bis 4.1.3.2)."""
    ends = "; Max-Age=0" if not value else ""
    if request.secure:
        return ("Set-Cookie", f"{_HOST}{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{ends}")
    return ("Set-Cookie", f"{name}={value}; Path=/console; HttpOnly; SameSite=Strict{ends}")


def _go(where: str, *headers: tuple[str, str]) -> Reply:
    """303: see there (RFC 9110 15.4.4)."""
    return Reply(303, b"", (("Location", where), *headers), "text/plain; charset=utf-8")
