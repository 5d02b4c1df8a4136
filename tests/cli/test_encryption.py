"""Encrypted channels: the key of a channel is the protocol's, and what is sealed is opened."""

import base64

import msgspec
from nacl.secret import SecretBox

from pushery.cli.encryption import Sealed, read_key, seal, unseal

MASTER = "Y0F6UkgzVzlGWk0zaVhxU05JR3RLenR3TnVDejl4TVY="
CHANNEL = "private-encrypted-ceppaio"
SHARED_SECRET = "AXkhd6jqVVr0qdQQ4RIeydl0lxD6IuzuNx2C7x4kHSs="
"""What libraries of backends tell clients of that channel with that master key."""


def test_what_is_sealed_is_opened_by_whoever_has_the_channels_secret() -> None:
    key = read_key(MASTER)
    assert key is not None
    sealed = msgspec.json.decode(seal(key, CHANNEL, "héllo"), type=Sealed)
    box = SecretBox(base64.b64decode(SHARED_SECRET))
    assert box.decrypt(base64.b64decode(sealed.ciphertext), base64.b64decode(sealed.nonce)).decode() == "héllo"


def test_another_channel_or_another_key_opens_nothing() -> None:
    data = seal(bytes(32), CHANNEL, "x")
    assert unseal(bytes(32), CHANNEL, data) == "x"
    assert unseal(bytes(32), "private-encrypted-b", data) is None
    assert unseal(bytes([1] * 32), CHANNEL, data) is None
    assert unseal(bytes(32), CHANNEL, "not sealed") is None
