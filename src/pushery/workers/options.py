"""What the delivery of webhooks is given to go by, and what it counts."""

from dataclasses import dataclass
from typing import Final

from pushery.core.stats import Histogram

MINUTE_S: Final = 60.0
DAY_S: Final = 86_400.0

_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """Settings of the server. Times are seconds; the defaults are those of the settings."""

    hold_back_s: float = 3.0
    """How long departures wait for a return."""
    return_s: float = 30.0
    """How long after a start clients have to return, before their places are told to be free."""
    timeout_s: float = 5.0
    """Of one request, from resolving the name to the end of the answer."""
    retry_time_s: float = 300.0
    """How long after it happened an event is still sent again."""
    private_addresses: bool = False
    redirects: bool = False
    concurrency: int = 8
    """Requests at a time to one webhook."""
    total_concurrency: int = 256
    dead_letters: int = 10_000
    """Kept of each app, the newest."""
    dead_letter_s: float = 7 * DAY_S
    retry_first_s: float = 1.0
    """The first pause between two attempts is at most so long, each further one at most twice the one before."""
    retry_most_s: float = MINUTE_S
    count_s: float = 1.0
    """Counts of a channel that come within this time are told as one."""
    commit_gap_s: float = 0.005
    """Events that come within this time are written to the disk together."""
    intake_limit: int = 200_000
    """Events in memory that are not on the disk yet; with more the newest are dropped."""
    target_limit: int = 200_000
    """Events on the disk that wait for one webhook; with more the newest are dropped."""
    batch_events: int = 100
    batch_bytes: int = 256 * 1024
    cache_bytes: int = 16 * 1024 * 1024
    """What waits in memory too, so that it need not be read again; the rest is on the disk only."""


class HookStats:
    """Counts since the start. Each has one thread that writes it, and may be read by any."""

    __slots__ = (
        "dead",
        "delay_seconds",
        "delivered",
        "dropped_at_door",
        "dropped_full",
        "failed_attempts",
        "oldest_ms",
        "queued",
        "request_seconds",
    )

    def __init__(self) -> None:
        self.delivered = 0
        """Events that a webhook has accepted."""
        self.failed_attempts = 0
        """Requests that were not accepted."""
        self.dead = 0
        """Events that were given up and went to the dead letters."""
        self.queued = 0
        """A gauge: events that wait or are under way now."""
        self.oldest_ms: int | None = None
        """When the event happened that waits the longest, or was sent again, in unix milliseconds; None: nothing waits.
        Looked up about once a second."""
        self.request_seconds = Histogram(_BOUNDS)
        """How long requests to webhooks took, accepted or not."""
        self.delay_seconds = Histogram(_BOUNDS)
        """From when an event happened until a webhook accepted it."""
        self.dropped_at_door = 0
        self.dropped_full = 0

    @property
    def dropped(self) -> int:
        """Events that were lost because more waited than may."""
        return self.dropped_at_door + self.dropped_full
