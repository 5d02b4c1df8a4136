"""JSON and MessagePack of what may be as large as clients and backends make it.

Where memory is short, `encode` of msgspec 0.22 ends the process with a segmentation fault; `encode_into` raises
MemoryError, as it should. That costs a copy.
"""

from typing import Final

import msgspec

_JSON: Final = msgspec.json.Encoder()
_MSGPACK: Final = msgspec.msgpack.Encoder()


def as_json(value: object) -> bytes:
    """The value in JSON. Raises MemoryError."""
    return _encoded(_JSON, value)


def as_msgpack(value: object) -> bytes:
    """The value in MessagePack. Raises MemoryError."""
    return _encoded(_MSGPACK, value)


def _encoded(encoder: msgspec.json.Encoder | msgspec.msgpack.Encoder, value: object) -> bytes:
    encoded = bytearray()
    encoder.encode_into(value, encoded)
    return bytes(encoded)
