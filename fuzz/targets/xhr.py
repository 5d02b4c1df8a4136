"""Bodies of the HTTP fallbacks: strings or a ValueError, and every line written for them is one line."""

import json
from typing import Final

from pushery.wire.xhr import characters, chunk, messages_line, messages_of

SEEDS: Final = [
    b"[]",
    b'["a","b"]',
    b'["{\\"event\\":\\"pusher:ping\\"}"]',
    b'["\\u2028\\ud83d\\ude00","\\ud800"]',
    b"[" * 3000,
    b'["a",1]',
    b'{"a":"b"}',
    '["ü€😀"]'.encode(),
    b'["\n"]',
    b"\xff",
]


def target(data: bytes) -> None:
    """Read it; what was read is written and read again."""
    try:
        messages = messages_of(data)
    except ValueError:
        return
    assert messages == json.loads(data)
    line = messages_line(messages)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert messages_of(line[1:]) == messages
    assert characters(line) == len(line.decode().encode("utf-16-le")) // 2
    assert chunk(line) == b"%x\r\n%b\r\n" % (len(line), line)
