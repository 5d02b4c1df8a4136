"""A client's socket: opened, listened to, and whatever ends it told in one line. Knows nothing of what is said."""

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pushery.cli.closes import closed_text
from pushery.cli.options import fail
from pushery.cli.output import json_line, note
from pushery.cli.target import Target, why


class Refused(Exception):
    """The server does not let us go on; the message is one line."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was heard: as text for people, and as data for programs."""

    text: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """What follows from a message: what is sent, what is printed, and what is told beside it."""

    replies: Sequence[str] = ()
    lines: Sequence[Line] = ()
    notes: Sequence[str] = ()


Hear = Callable[[str | bytes], Heard]


def listen_to(target: Target, path: str, greeting: str, hear: Hear, *, count: int, as_json: bool) -> None:
    """Print what `hear` makes of each message until `count` lines are out; 0 goes on until Ctrl-C. What else ends it
    ends the command.
    """
    address = f"{target.websocket}{path}"
    try:
        with connect(address, ssl=target.tls(), open_timeout=target.timeout_s, max_size=None) as socket:
            if greeting:
                note(greeting)
            _listen(socket, hear, count, as_json)
    except Refused as refused:
        fail(str(refused))
    except InvalidStatus as error:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            fail(json.loads(error.response.body or b"")["error"]["message"])
        fail(f"refused with status {error.response.status_code}")
    except ConnectionClosed as error:
        close = error.rcvd
        fail(closed_text(close.code, close.reason) if close else "the connection was lost")
    except (OSError, InvalidHandshake) as error:
        fail(f"cannot connect to {address}: {why(error) if isinstance(error, OSError) else error}")


def _listen(socket: ClientConnection, hear: Hear, count: int, as_json: bool) -> None:
    printed = 0
    while True:
        heard = hear(socket.recv())
        for reply in heard.replies:
            socket.send(reply)
        for text in heard.notes:
            note(text)
        for line in heard.lines:
            typer.echo(json_line(line.data) if as_json else line.text)
            sys.stdout.flush()
            printed += 1
            if printed == count:
                return
