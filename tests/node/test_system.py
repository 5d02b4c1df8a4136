"""The real clock and the real randomness."""

import re

from pushery.node.system import SystemClock, SystemIds


def test_the_clock_runs_forward_and_tells_unix_time() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)
    assert clock.wall_ms() > 1_700_000_000_000


def test_keys_and_secrets_are_hex_of_the_promised_length_and_never_the_same() -> None:
    ids = SystemIds()
    keys, secrets = {ids.app_key() for _ in range(1000)}, {ids.secret() for _ in range(1000)}
    assert len(keys) == len(secrets) == 1000
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)
    assert all(re.fullmatch("[0-9a-f]{40}", secret) for secret in secrets)


def test_publication_ids_are_unique_over_all_nodes() -> None:
    nodes = [SystemIds() for _ in range(10)]
    assert len({node.publication_id() for node in nodes for _ in range(100)}) == 1000


def test_socket_ids_are_two_numbers_of_at_most_ten_digits_and_never_the_same() -> None:
    ids = SystemIds()
    sockets = {ids.socket_id() for _ in range(1000)}
    assert len(sockets) == 1000
    assert all(re.fullmatch(r"\d{1,10}\.\d{1,10}", socket) for socket in sockets)
