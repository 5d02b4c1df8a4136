"""Many attackers in one process: each connection sends the same hostile bytes over and over until told to stop.

A connection that the server ends is made anew. What the server says first on each connection is counted.
"""

import collections
import contextlib
import json
import os
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from typing import Final

from pushery.wire.deflate import deflate
from tests.support.raw import BINARY, CONTINUATION, PING, TEXT, chunked, client_frame, handshake, request

_MIB: Final = 1 << 20
_DEFLATE: Final = {"Sec-WebSocket-Extensions": "permessage-deflate"}


@dataclass
class Attack:
    """`first` is sent once on a connection, `again` for ever; at most `piece` bytes every `pause_s`."""

    first: bytes
    again: bytes
    piece: int = 1 << 16
    pause_s: float = 0.0
    reads: bool = True


def attacks(key: str) -> dict[str, Attack]:
    """All there are."""
    post = request("POST", f"/api/push/{key}", headers={"Transfer-Encoding": "chunked"})
    get = request("GET", "/healthz")
    socket_, pusher = handshake(key, "attacker"), _pusher_handshake(key)
    bomb = bytes([0x80 | 0x40 | BINARY]) + client_frame(BINARY, deflate(bytes(128 * 1024)))[1:]
    return {
        "a chunk of empty lines": Attack(b"", post + chunked(b"\r\n" * (_MIB // 2), _MIB)),
        "chunks of one byte": Attack(b"", post + chunked(b"\n" * (_MIB // 6), 1)),
        "chunks of two empty lines": Attack(b"", post + chunked(b"\r\n" * (_MIB // 4), 4)),
        "pipelined requests": Attack(b"", get * 1000),
        "many who ask for metrics": Attack(b"", request("GET", "/metrics") * 16),
        "many who send wrong passwords": Attack(
            b"", request("GET", "/api/admin/apps", headers={"Authorization": "Basic eDp5"}) * 16
        ),
        "pipelined requests whose replies are not read": Attack(b"", get * 1000, reads=False),
        "a head without end": Attack(b"GET / HTTP/1.1\r\nHost: h\r\n", b"X-Long: " + b"x" * 4000 + b"\r\n"),
        "malformed requests": Attack(b"", b"GET / HTTP/1.1\r\nHost : h\r\n\r\n"),
        "heads byte by byte": Attack(b"", get, piece=1),
        "slow heads": Attack(b"GET / HTTP/1.1\r\nHost: h\r\n", b"X: y\r\n", piece=1, pause_s=0.05),
        "slow bodies": Attack(request("POST", "/x", headers={"Content-Length": "9999"}), b"x", piece=1, pause_s=0.05),
        "tiny messages": Attack(socket_, client_frame(TEXT) * 50_000),
        "pings": Attack(socket_, client_frame(PING) * 50_000),
        "pings whose pongs are not read": Attack(socket_, client_frame(PING, b"x" * 100) * 5_000, reads=False),
        "empty fragments": Attack(
            socket_ + client_frame(TEXT, fin=False), client_frame(CONTINUATION, fin=False) * 50_000
        ),
        "frames byte by byte": Attack(socket_, client_frame(TEXT, b"x" * 100), piece=1),
        "compression bombs": Attack(pusher, bomb * 1000),
        "messages without meaning": Attack(_pusher_handshake(key, compressed=False), client_frame(TEXT, b"{") * 5_000),
    }


def _pusher_handshake(key: str, *, compressed: bool = True) -> bytes:
    data = handshake(key, "", _DEFLATE if compressed else None)
    return data.replace(b"/ws/%b/ " % key.encode(), b"/app/%b?protocol=7 " % key.encode())


class _Attacker:
    """One connection after the other."""

    def __init__(self, port: int, attack: Attack, answers: "collections.Counter[str]") -> None:
        self._port = port
        self._attack = attack
        self._answers = answers
        self.sent = 0
        self.connections = 0
        self.resting_until = 0.0
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._heard = False
        self._data, self._at = memoryview(self._attack.first or self._attack.again), 0
        self.connections += 1

    def fileno(self) -> int:
        return self.socket.fileno()

    def write(self) -> bool:
        """False when the connection is gone."""
        try:
            count = self.socket.send(self._data[self._at : self._at + self._attack.piece])
        except BlockingIOError:
            return True
        except OSError:
            self.read()
            return False
        self._at += count
        self.sent += count
        if self._at == len(self._data):
            self._data, self._at = memoryview(self._attack.again), 0
        self.resting_until = time.monotonic() + self._attack.pause_s
        return True

    def read(self) -> bool:
        """False when the connection is gone."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if data and not self._heard:
            self._heard = True
            self._answers[data[9:12].decode("latin-1")] += 1
        return bool(data)


def main(name: str, port: int, key: str, count: int) -> None:
    """Attack until standard input ends; then say what came of it."""
    os.nice(10)  # it is the server that is tried, not how the system shares out two cores
    attack, answers = attacks(key)[name], collections.Counter[str]()
    attackers = [_Attacker(port, attack, answers) for _ in range(count)]
    events = selectors.EVENT_READ * attack.reads | selectors.EVENT_WRITE
    print("attacking", flush=True)
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for attacker in attackers:
            selector.register(attacker, events, attacker)
        while _round(selector, events):
            if attack.pause_s:
                time.sleep(attack.pause_s / 4)
    result = {"sent": sum(one.sent for one in attackers), "connections": sum(one.connections for one in attackers)}
    print(json.dumps(result | {"answers": answers}), flush=True)


def _round(selector: selectors.BaseSelector, events: int) -> bool:
    for key, ready in selector.select(0.1):
        attacker = key.data
        if attacker is None:
            return False
        alive = not ready & selectors.EVENT_READ or attacker.read()
        if alive and ready & selectors.EVENT_WRITE and time.monotonic() >= attacker.resting_until:
            alive = attacker.write()
        if not alive:
            selector.unregister(attacker)
            attacker.socket.close()
            with contextlib.suppress(ConnectionError):
                attacker.connect()
            selector.register(attacker, events, attacker)
    return True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
