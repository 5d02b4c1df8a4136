"""The real clock and the real randomness, as the ports ask for them."""

import itertools
import os
import secrets
import struct
import time


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """Unix time in milliseconds."""
        return time.time_ns() // 1_000_000


class SystemIds:
    """Names from the operating system's randomness; publication ids count up behind a random prefix."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._count = itertools.count(1)

    def app_key(self) -> str:
        """32 lower-case hex characters."""
        return secrets.token_hex(16)

    def secret(self) -> str:
        """40 lower-case hex characters."""
        return secrets.token_hex(20)

    def publication_id(self) -> str:
        """Unique over all nodes."""
        return f"{self._prefix}-{next(self._count)}"

    def socket_id(self) -> str:
        """Two random numbers of 32 bits, as in "1234.5678"."""
        first, second = struct.unpack("=II", os.urandom(8))
        return f"{first}.{second}"
