"""The load generators as values: subscribers (`wsload`), publishers (`httpload`), Pusher clients (`pusherload`)."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from benchmarks.build import program
from benchmarks.errors import BenchError
from benchmarks.process import pin

GRACE_S = 15
"""How long past its own end a generator is waited for."""


class Latency(msgspec.Struct):
    """Microseconds."""

    p50: float
    p99: float
    p999: float


class Received(msgspec.Struct):
    """What the subscribers saw. `span_s` is from the first to the last message."""

    n: int
    open: int
    failed: int
    closed: int
    msgs: int
    span_s: float
    msgs_per_s: float
    lat_us: Latency
    error: str


class Published(msgspec.Struct):
    """What the publishers saw."""

    requests: int
    ok: int
    failed: int
    span_s: float
    requests_per_s: float
    lat_us: Latency
    error: str


class Answered(msgspec.Struct):
    """What the clients did: subscriptions, or events that they sent.

    `accepted` of `sent` were answered, or for events seen by the one receiver; `delivered` is how many events were seen
    by all. `text_bytes` is the length of an event as it was sent.
    """

    n: int
    open: int
    sent: int
    accepted: int
    delivered: int
    refused: int
    span_s: float
    text_bytes: int
    error: str


T = TypeVar("T")


class _Sockets:
    """A program with sockets, connected when the `with` block is entered and kept open until it is left."""

    def __init__(self, argv: Sequence[str], cores: set[int] | None) -> None:
        self._argv = argv
        self._cores = cores

    def _report(self, kind: type[T]) -> T:
        """Wait until the run is over (its options say when), with all sockets still open."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        try:
            return msgspec.json.decode(line, type=kind)
        except msgspec.DecodeError:
            raise BenchError(f"{Path(self._argv[0]).name} ended without a report: {line!r}") from None

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            self._argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: pin(self._cores),
        )
        assert self._child.stdout is not None
        ready = self._child.stdout.readline().decode().strip()
        if not ready.startswith("READY") or " 0 failed" not in ready:
            self._close()
            name = Path(self._argv[0]).name
            raise BenchError(f"not every subscriber could connect: {ready or f'{name} does not run'}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        self._child.terminate()
        try:
            self._child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()


class Subscribers(_Sockets):
    """`count` sockets that listen (`wsload`)."""

    def __init__(self, options: Sequence[str], *, count: int, cores: set[int] | None) -> None:
        super().__init__([program("wsload"), "-k", "-n", str(count), "-T", "30", *options], cores)

    def received(self) -> Received:
        """Wait until the run is over, with all sockets still open."""
        return self._report(Received)


class Clients(_Sockets):
    """`count` sockets that speak Pusher (`pusherload`)."""

    def __init__(self, options: Sequence[str], *, count: int, cores: set[int] | None) -> None:
        super().__init__([program("pusherload"), "-n", str(count), *options], cores)

    def run(self) -> Answered:
        """Let them begin, and wait until the run is over, with all sockets still open."""
        assert self._child.stdin is not None
        self._child.stdin.write(b"\n")
        self._child.stdin.flush()
        return self._report(Answered)


def publish(options: Sequence[str], *, seconds: float, cores: set[int] | None) -> Published:
    """Run the publishers to their end."""
    argv = [program("httpload"), "-d", f"{seconds:g}", *options]
    try:
        done = subprocess.run(
            argv, capture_output=True, check=False, timeout=seconds + 2 * GRACE_S, preexec_fn=lambda: pin(cores)
        )
        return msgspec.json.decode(done.stdout, type=Published)
    except subprocess.TimeoutExpired:
        raise BenchError("httpload did not come to its end") from None
    except msgspec.DecodeError:
        reason = done.stderr.decode().strip()
        raise BenchError(reason.splitlines()[0] if reason else "httpload ended without a report") from None
