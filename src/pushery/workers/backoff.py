"""When to try again: exponential back-off with full jitter, within the time that an event is worth trying for.

Draws no randomness: `chance` is an argument.
"""

from typing import Final

LEAST_S: Final = 0.1


def pause_s(attempts: int, chance: float, *, first_s: float, most_s: float) -> float:
    """How long to wait after so many failed attempts (from 1); `chance` is drawn evenly from 0 to 1."""
    longest = min(most_s, first_s * 2.0 ** min(attempts - 1, 32))
    return max(min(LEAST_S, first_s), chance * longest)
