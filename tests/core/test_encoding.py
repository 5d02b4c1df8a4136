"""Encoding what may be large: the same bytes as msgspec's own, and no crash without memory."""

import subprocess
import sys

import msgspec
import pytest

from pushery.core.encoding import as_json, as_msgpack

WITHOUT_MEMORY = """
import re, resource
from pathlib import Path
from pushery.core.encoding import as_json, as_msgpack

content = {"content": "y" * 50_000_000}
taken = int(re.search(r"VmSize:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (taken + 10_000_000,) * 2)
for encode in (as_json, as_msgpack):
    try:
        encode(content)
    except MemoryError:
        print("no memory")
"""


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, "\u00e9\n"]}, (b"bytes", ""), "", "x" * 100_000])
def test_encoded_it_is_what_msgspec_makes_of_it(value: object) -> None:
    assert as_json(value) == msgspec.json.encode(value)
    assert as_msgpack(value) == msgspec.msgpack.encode(value)


def test_without_memory_the_process_is_told_and_does_not_end() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_MEMORY], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "no memory\nno memory\n"), done.stderr
