"""Addresses, networks, origins, accounts and keys, as people spell them."""

import base64

import pytest

from pushery.config.address import (
    Address,
    check_account,
    check_origin,
    check_url,
    decode_secret_key,
    parse_listen,
    parse_network,
)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":8001", "", 8001),
        (":0", "", 0),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("push.example.org:80", "push.example.org", 80),
        ("[::1]:8001", "::1", 8001),
        ("[::]:8001", "::", 8001),
    ],
)
def test_a_listening_address_is_host_and_port_and_writes_itself_back(text: str, host: str, port: int) -> None:
    address = parse_listen(text)
    assert address == Address(host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8001", '":port" or "host:port"'),
        ("localhost", '":port" or "host:port"'),
        (":", '":port" or "host:port"'),
        (":http", '":port" or "host:port"'),
        (":-1", '":port" or "host:port"'),
        (" :8001", '":port" or "host:port"'),
        (":8001\n", '":port" or "host:port"'),
        (":٨٠٠١", '":port" or "host:port"'),
        (":65536", "a port from 0 to 65535"),
        ("::1:8001", "IPv6 address in brackets"),
        ("[localhost]:8001", "IPv6 address between the brackets"),
    ],
)
def test_a_bad_listening_address_is_refused_with_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        parse_listen(text)
    assert expected in str(caught.value)


@pytest.mark.parametrize("text", ["10.0.0.7", "10.0.0.0/8", "::1", "fd00::/8"])
def test_a_proxy_is_an_address_or_a_network(text: str) -> None:
    assert str(parse_network(text)).startswith(text)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example.org", "10.0.0.0/33", ""])
def test_a_proxy_that_names_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        parse_network(text)


@pytest.mark.parametrize("text", ["*", "https://example.org", "http://localhost:3000", "capacitor://localhost"])
def test_an_origin_is_what_browsers_send(text: str) -> None:
    check_origin(text)


@pytest.mark.parametrize("text", ["example.org", "https://example.org/", "https://example.org/x", "https://", ""])
def test_an_origin_with_a_path_or_without_a_scheme_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected origins"):
        check_origin(text)


def test_an_account_with_a_colon_could_never_log_in_and_is_refused() -> None:
    check_account("super admin")
    with pytest.raises(ValueError, match="without a colon"):
        check_account("super:admin")


def test_a_secret_key_is_32_bytes_in_either_base64_alphabet() -> None:
    key = bytes([0xFB, 0xEF, 0xFF] * 10 + [1, 2])
    assert decode_secret_key(base64.b64encode(key).decode()) == key
    assert decode_secret_key(base64.urlsafe_b64encode(key).decode() + "\n") == key
    assert decode_secret_key(base64.b64encode(key).decode().rstrip("=")) == key


@pytest.mark.parametrize("text", ["swordfish", "é", "A" * 42, base64.b64encode(bytes(31)).decode(), "=" * 44])
def test_a_key_of_any_other_shape_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected 32 bytes in base64") as caught:
        decode_secret_key(text)
    assert text not in str(caught.value)


@pytest.mark.parametrize("text", ["http://localhost:4318", "https://otel.example/path", "http://[::1]:4318"])
def test_a_url_is_taken(text: str) -> None:
    check_url(text)


@pytest.mark.parametrize(
    "text",
    ["localhost:4318", "ftp://a", "http://", "http://a:0", "http://a:99999", "http://a?b", "http://a b", "http://["],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected an http or https URL"):
        check_url(text)
