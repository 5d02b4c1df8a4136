"""Where log lines go and what they look like.

Events are logged as a name with fields. No field ever holds a secret or the content of a message. Invariant: logging
neither fails nor waits.
"""

import logging
import os
import select
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from pushery.config import Settings, log_file

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
_STDERR: Final = 2
_NEWLINE: Final = ord("\n")


class LogOutput:
    """The file, or standard error, that log lines are written to. A file can be reopened after it was rotated away.

    Any thread may write. A line that cannot be written at once is lost, and counted: neither a full disk nor a reader
    that is gone or has fallen asleep may take the server down or make it wait.
    """

    def __init__(self, path: Path | None) -> None:
        """Raises OSError when the file cannot be opened."""
        self._path = path
        self._file: int | None = None
        self._waits = False
        """Whether writing could wait for a reader: of a regular file there is none."""
        self._ends_line = True
        self._lost = 0
        self.lines_lost: Callable[[int], str] = "{} lines of the log are lost\n".format
        """The line that says how many lines are missing before it."""
        self._look(_STDERR)
        self.reopen()

    def reopen(self) -> None:
        """Go on in a file of the configured name. Raises OSError, and keeps to the old one then.

        An old one that nobody can find any more is left, for standard error.
        """
        self.move(self._path)

    def move(self, path: Path | None) -> None:
        """Go on in the file of this name, or on standard error. Raises OSError, and keeps to the old one then."""
        if path is None:
            self._path = None
            self._look(_STDERR)
            return
        try:
            opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:
            if self._file is not None and os.fstat(self._file).st_nlink == 0:
                self._look(_STDERR)
            raise
        if self._file is None:
            self._file = opened
        else:
            # The number stays: another thread may be about to write to it, and must not hit a client's socket.
            os.dup2(opened, self._file, inheritable=False)
            os.close(opened)
        self._path = path
        self._look(self._file)

    def is_terminal(self) -> bool:
        """Whether somebody is looking."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> None:
        """Write whole lines, or lose them."""
        if not self._put(text.encode(errors="backslashreplace")):
            self._lost += 1
        elif self._lost:
            lost, self._lost = self._lost, 0
            self._put(self.lines_lost(lost).encode())

    def flush(self) -> None:
        """`write` has done that."""

    def _look(self, descriptor: int) -> None:
        self._descriptor = descriptor
        try:
            self._waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        except OSError:  # there is no standard error
            self._waits = False
        self._ends_line = True

    def _put(self, line: bytes) -> bool:
        """Whether all of it is out. What follows a line that was cut off begins anew."""
        rest = memoryview(line if self._ends_line else b"\n" + line)
        # To a pipe that has room, so much is written without waiting (pipe(7)).
        most = select.PIPE_BUF if self._waits else len(rest)
        try:
            while rest and (not self._waits or _has_room(self._descriptor)):
                written = os.write(self._descriptor, rest[:most])
                self._ends_line = rest[written - 1] == _NEWLINE
                rest = rest[written:]
        except OSError:
            return False
        return not rest


def _has_room(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


class _ToStructlog(logging.Handler):
    """What libraries log through the standard library looks like our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, "library_message", logger=record.name, message=record.getMessage(),
                   exc_info=record.exc_info)  # fmt: skip


def _printable(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape what could end a line or steer a terminal, wherever an error's text may have picked it up."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = value.encode("unicode_escape").decode()
    return event


def open_log(settings: Settings) -> LogOutput:
    """The output that the settings ask for. Raises OSError when the file cannot be opened."""
    return LogOutput(log_file(settings.logdir))


def configure_logs(settings: Settings, output: LogOutput) -> None:
    """Set logging up for this process; may be called again with changed settings."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not output.is_terminal())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    )
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)

    def lines_lost(count: int) -> str:
        event = stamp(None, "", {"event": "log_lines_lost", "lines": count, "level": "warning"})
        return str(renderer(None, "", event)) + "\n"

    output.lines_lost = lines_lost
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            stamp,
            _printable,
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=output),  # type: ignore[arg-type]  # write and flush is all
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.log_level]),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStructlog()], force=True)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # a malformed body is answered, that will do
