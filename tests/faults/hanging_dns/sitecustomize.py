"""Loaded by Python at the start of a server for which names below `hangs.test` are never resolved."""

import socket
import threading
from typing import Any

_true_getaddrinfo = socket.getaddrinfo


def _getaddrinfo(host: Any, *further: Any, **named: Any) -> Any:
    if str(host).endswith("hangs.test"):
        threading.Event().wait()
    return _true_getaddrinfo(host, *further, **named)


socket.getaddrinfo = _getaddrinfo
