"""Loaded by Python at the start of a server whose wall clock a test steps: see `tests/faults/test_clock.py`."""

import os
import time

_FILE = os.environ["STEPPED_CLOCK"]
_true_time_ns = time.time_ns


def _stepped_time_ns() -> int:
    with open(_FILE) as file:
        return _true_time_ns() + int(file.read()) * 1_000_000_000


time.time_ns = _stepped_time_ns
time.time = lambda: _stepped_time_ns() / 1e9
