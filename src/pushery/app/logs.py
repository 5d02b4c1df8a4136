"""Where log lines go and what they look like.

Events are logged as a name with fields. No field ever holds a secret or the content of a message.
"""

import logging
import sys
from pathlib import Path
from typing import Final, TextIO

import structlog

from pushery.config import Settings, log_file

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


class LogOutput:
    """The stream that log lines are written to. A log file can be reopened after it was rotated away."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stream: TextIO = sys.stderr
        self.reopen()

    def reopen(self) -> None:
        """Go on in a file of the configured name. Raises OSError, and keeps writing to the old one then."""
        if self._path is not None:
            stream = self._path.open("a", encoding="utf-8")
            if self._stream is not sys.stderr:
                self._stream.close()
            self._stream = stream

    def is_terminal(self) -> bool:
        """Whether somebody is looking."""
        return self._stream.isatty()

    def write(self, text: str) -> None:
        """A full disk must not take the server down: a line that cannot be written is lost."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return

    def flush(self) -> None:
        """`write` has done that."""


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
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
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
