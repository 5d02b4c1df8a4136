"""What it means that a server has closed a connection, in words for whoever sits before it."""

from typing import Final

from pushery.core.codes import CLOSES

_RANGES: Final = (
    (range(4000, 4100), "Do not come back unchanged."),
    (range(4100, 4200), "Come back after a pause."),
    (range(4200, 4300), "Come back at once."),
)
"""What Pusher clients make of codes they do not know."""


def closed_text(code: int, reason: str) -> str:
    """A close code with its reason, and what to do next where that is known."""
    told, then = f"{code} {reason}".rstrip(), meaning(code, reason)
    return f"closed by the server: {told.removesuffix('.')}. {then}" if then else f"closed by the server: {told}"


def meaning(code: int, reason: str) -> str:
    """What a client does next; "" when nobody knows."""
    of_code = [close for close in CLOSES if close.code == code]
    of_reason = [close for close in of_code if close.reason == reason]
    known = of_reason or of_code
    if len(known) == 1:
        return known[0].then
    return next((then for codes, then in _RANGES if code in codes), "")
