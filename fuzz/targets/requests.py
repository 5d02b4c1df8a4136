"""What backends ask of the Pusher HTTP API: a value within the limits, or an error with a status of its own."""

from collections.abc import Callable
from typing import Final

from pushery.core.appsettings import AppSettings
from pushery.core.channelnames import is_channel_name
from pushery.core.exchange import Refusal
from pushery.core.publications import MAX_EVENT_NAME
from pushery.dialects.pusher.requests import Wanted, read_batch, read_event, read_limit, read_raw_event
from pushery.dialects.pusher.signing import Query, read_query

_SETTINGS: Final = AppSettings(max_event_bytes=1024, max_batch=3, max_event_channels=3)
_SPLIT: Final = b"\n"
"""Between the query and the body."""

SEEDS: Final = [
    b'auth_key=k&auth_timestamp=1\n{"name":"e","channel":"c","data":"d"}',
    b'info=user_count\n{"name":"e","channels":["a","b","a"],"data":{"x": [1]},"socket_id":"1.2"}',
    b'\n{"name":"e","channel_pattern":"^a","data":null}',
    b'\n{"batch":[{"name":"e","channel":"c","data":"d","info":"cache"},{"name":"f","channel":"d","data":1}]}',
    b"channels[]=a&channels[]=b&name=e&data=d\n",
    b"channels[0]=a&channels[1]=b&name=%65&data=a+b&limit=7\n{}",
    b"name=e&NAME=f\n",
    b"name=%ff\n",
    b'\n{"name":"e","channel":"a b","data":"d"}',
    b'\n{"name":"e","channel":"c","data":' + b"[" * 600 + b"]" * 600 + b"}",
    b'\n{"name":"pusher:e","channel":"c","data":"\\ud800"}',
]


def target(data: bytes) -> None:
    """The first line is a query, the rest a body."""
    text, _, body = data.partition(_SPLIT)
    query = Query()
    if text.isascii():
        try:
            query = read_query(text.decode())
        except Refusal as refusal:
            assert refusal.status == 400
    reads: tuple[Callable[[], list[Wanted]], ...] = (
        lambda: [read_event(body, query, _SETTINGS)],
        lambda: read_batch(body, _SETTINGS),
        lambda: [read_raw_event("channel", body, query, _SETTINGS)],
    )
    for read in reads:
        try:
            wanted = read()
        except Refusal as refusal:
            assert refusal.status in (400, 413)
        else:
            assert 0 < len(wanted) <= _SETTINGS.max_batch
            for one in wanted:
                _check(one)
    try:
        assert 1 <= read_limit(query, 10, 100) <= 100
    except Refusal as refusal:
        assert refusal.status == 400


def _check(wanted: Wanted) -> None:
    event = wanted.event
    assert 0 < len(event.event) <= MAX_EVENT_NAME
    assert len(event.data.encode()) <= _SETTINGS.max_event_bytes
    assert len(event.channels) <= _SETTINGS.max_event_channels
    assert len(set(event.channels)) == len(event.channels)
    assert all(map(is_channel_name, event.channels))
    assert bool(event.channels) != bool(event.pattern)
