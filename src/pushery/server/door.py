"""One way into the server: an address to connect to, and what is found behind it.

It turns requests into replies, or into what a connection becomes instead; it knows no transport. Invariant: whatever
happens while a request is answered, an answer comes out, and whose fault it was is logged once if it was ours.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

import structlog

from pushery.core.basicauth import name_of, sent_credentials
from pushery.core.effects import AskHook, Later, OpenSocket, OpenStream, Outcome, Submit
from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.guesses import Guesses
from pushery.core.ports import StorageError
from pushery.core.sources import source_of
from pushery.server.cors import preflight
from pushery.server.fallbacks import submit
from pushery.server.foreign import refuse_foreign_pages
from pushery.server.proxies import asked_by
from pushery.server.router import Router
from pushery.server.shared import Shared

log = structlog.get_logger("pushery.server")

_WRONG: Final = frozenset(("unauthorized", "unknown_auth_key", "invalid_signature"))
"""Codes of refusals that say: these are not the right credentials."""

Answer: TypeAlias = Reply | Awaitable[Reply] | OpenSocket | OpenStream | AskHook


class Door:
    """Answers what is asked at one address. `secure` says whether clients speak TLS to this server itself, and
    `clients_only` that backends have a door of their own."""

    def __init__(
        self,
        shared: Shared,
        router: Router,
        guesses: Guesses,
        monotonic: Callable[[], float],
        *,
        secure: bool,
        clients_only: bool = False,
    ) -> None:
        self.shared = shared
        self.secure = secure
        admission = shared.admission
        self.most_connections = admission.most_with_sockets if clients_only else admission.most_connections
        """Connections of the server up to which one more is let in here."""
        self._router = router
        self._guesses = guesses
        self._monotonic = monotonic

    def answer(self, request: Request) -> Answer:
        """What a request is answered, now or later, or what its connection becomes."""
        shared, guesses = self.shared, self._guesses
        shared.stats.http_requests += 1
        try:
            if shared.trusted_proxies:
                request.peer, request.secure = asked_by(request, shared.trusted_proxies, shared.forwarded_header)
            refuse_foreign_pages(request, shared.cors_origins)
            if guesses.suspicious:
                self._refuse_guesses(request)
            outcome = self._options(request) if request.method == "OPTIONS" else self._router.dispatch(request)
            return self._perform(outcome)
        except Refusal as refusal:
            if guesses.limit and refusal.code in _WRONG:
                self._note_guess(request)
            return refusal.reply()
        except Exception as error:
            return self.failed(error)

    def knows(self, path: str) -> bool:
        """Whether anything is found at a path."""
        return bool(self._router.methods(path))

    def remember(self, request: Request) -> None:
        """Keep in mind that its credentials were found to be right."""
        self._guesses.right(source_of(request.peer), request.verified)

    def _options(self, request: Request) -> Outcome:
        """What a path has to say about itself, or else what the router and the settings say."""
        methods = self._router.methods(request.path)
        try:
            return self._router.dispatch(request)
        except Refusal:
            return preflight(request, methods, self.shared.cors_origins)

    def _perform(self, outcome: Outcome) -> Answer:
        """Do what a dialect wants done, unless that is the connection's business."""
        if isinstance(outcome, Reply | OpenSocket | OpenStream | AskHook):
            return outcome
        if isinstance(outcome, Later):
            return outcome.reply()
        if isinstance(outcome, Submit):
            return submit(self.shared, outcome)
        return self.shared.node.perform(outcome)

    def _refuse_guesses(self, request: Request) -> None:
        source, now = source_of(request.peer), self._monotonic()
        # Which of them the route will look at, it alone knows: so all have to be known, or none is looked at.
        wait_s = max((self._guesses.wait(source, sent, now) for sent in _credentials(request)), default=0.0)
        if wait_s:
            seconds = math.ceil(wait_s)
            message = f"Too many wrong credentials came from your address: try again in {seconds} s."
            raise Refusal(429, "too_many_failures", message, headers=(("Retry-After", str(seconds)),))

    def _note_guess(self, request: Request) -> None:
        source = source_of(request.peer)
        if _credentials(request) and self._guesses.wrong(source, self._monotonic()):
            log.warning("credentials_guessed", source=source, limit_per_minute=self._guesses.limit)

    def failed(self, error: BaseException) -> Reply:
        """Our fault, not the caller's: logged once with its traceback, answered without detail."""
        if isinstance(error, Refusal):
            return error.reply()
        if isinstance(error, StorageError):
            log.error("registry_failed", error=str(error))
            message = "The registry cannot be written just now; nothing was changed. Try again."
            return Refusal(503, "registry_unavailable", message, headers=(("Retry-After", "5"),)).reply()
        log.error("request_failed", exc_info=error)
        return Refusal(500, "internal_error", "Something went wrong here; the server's log says more.").reply()


def _credentials(request: Request) -> list[str]:
    """All that a caller may want to prove himself with, Basic's and signatures', named as `Request.verified` is."""
    found = [key for name, key in parse_qsl(request.query, keep_blank_values=True) if name.lower() == "auth_key"]
    if request.header(b"authorization")[:6].lower() == b"basic ":
        found.append(name_of(sent_credentials(request)))
    return found
