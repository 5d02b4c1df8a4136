"""What the fuzzers know: every target stands all of it, and would notice if an invariant were broken."""

from collections.abc import Callable

import pytest

from fuzz.__main__ import replay
from fuzz.corpus import KEPT, LONGEST, kept, known, mutated
from fuzz.targets import TARGETS, deflate
from pushery.wire.deflate import InflateError

MOST_KEPT = 300 * 1024


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_stands_its_seeds_its_corpus_and_what_is_made_of_them(name: str) -> None:
    assert replay(name) > len(TARGETS[name].seeds)


@pytest.mark.parametrize("name", TARGETS)
def test_a_replay_is_the_same_every_time(name: str) -> None:
    inputs = known(name)
    assert list(mutated(name, inputs, 20)) == list(mutated(name, inputs, 20))
    assert len(set(mutated(name, inputs, 20))) > 10


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    files = list(KEPT.iterdir())
    assert {file.name for file in files} <= {f"{name}.txt" for name in TARGETS}
    assert sum(file.stat().st_size for file in files) <= MOST_KEPT
    assert all(0 < len(data) <= LONGEST for name in TARGETS for data in kept(name))


def _reads_too_much(payload: bytes, limit: int) -> bytes:
    raise InflateError(too_big=True)


@pytest.mark.parametrize(
    ("name", "break_it"),
    [
        ("http", lambda patch: patch.setattr("pushery.wire.chunks._CRLF", 1)),
        ("frames", lambda patch: patch.setattr("pushery.wire.websocket._CLOSE_CODES", frozenset())),
        ("frames", lambda patch: patch.setattr("pushery.wire.websocket.FrameReader._append", lambda self, data: None)),
        ("deflate", lambda patch: patch.setattr(deflate, "inflate", _reads_too_much)),
        ("sessions", lambda patch: patch.setattr("pushery.dialects.pusher.session.is_channel_name", bool)),
        ("parameters", lambda patch: patch.setattr("pushery.dialects.gopusher.parameters._SWAPPED", bytes(range(256)))),
        ("requests", lambda patch: patch.setattr("pushery.dialects.pusher.requests.is_channel_name", bool)),
        ("xhr", lambda patch: patch.setattr("fuzz.targets.xhr.messages_line", lambda texts: b"a[\n]\n")),
        ("configuration", lambda patch: patch.setattr("fuzz.targets.configuration.repr", str.upper, raising=False)),
        ("proxyprotocol", lambda patch: patch.setattr("pushery.wire.proxyprotocol._shown", lambda host, port: "me")),
    ],
)
def test_a_target_notices_a_broken_parser(
    name: str, break_it: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it(monkeypatch)
    with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever a broken parser lets out
        replay(name)
    assert f"target {name}" in "".join(caught.value.__notes__)
