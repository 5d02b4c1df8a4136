"""Makes connect tokens, good and bad, without the code that reads them; and the keys to sign them with."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

NOW_S = 1_790_000_000
NOW_MS = NOW_S * 1000

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Signer(NamedTuple):
    """A private key with the name of its algorithm."""

    algorithm: str
    key: Private

    @property
    def pem(self) -> str:
        """The public key."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def private_pem(self) -> str:
        """What nobody must ever put in a setting."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def jwk(self, **more: object) -> dict[str, Any]:
        """The public key as in RFC 7517."""
        public = self.key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)} | more
        if isinstance(public, ec.EllipticCurvePublicKey):
            point = public.public_numbers()
            size = (public.curve.key_size + 7) // 8
            x, y = (b64(number.to_bytes(size, "big")) for number in (point.x, point.y))
            return {"kty": "EC", "crv": {32: "P-256", 48: "P-384"}[size], "x": x, "y": y} | more
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes(Encoding.Raw, PublicFormat.Raw))} | more

    def token(self, claims: Mapping[str, object], **header: object) -> str:
        """A signed token."""
        signed = signing_input({"alg": self.algorithm, "typ": "JWT"} | header, claims)
        return f"{signed}.{b64(self._sign(signed.encode()))}"

    def _sign(self, text: bytes) -> bytes:
        key = self.key
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        if isinstance(key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return key.sign(text)


@cache
def signer(algorithm: str, number: int = 0) -> Signer:
    """One of the keys of an algorithm; always the same one during a run. `number` only tells them apart."""
    if algorithm == "RS256":
        return Signer(algorithm, rsa.generate_private_key(65537, 2048))
    if algorithm == "ES256":
        return Signer(algorithm, ec.generate_private_key(ec.SECP256R1()))
    return Signer(algorithm, ed25519.Ed25519PrivateKey.generate())


def b64(data: bytes) -> str:
    """base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def signing_input(header: Mapping[str, object] | bytes, claims: Mapping[str, object] | bytes) -> str:
    """What is signed of a token."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims))
    return ".".join(map(b64, parts))


def hs256(secret: str | bytes, claims: Mapping[str, object] | bytes, **header: object) -> str:
    """A token signed with a secret."""
    signed = signing_input({"alg": "HS256", "typ": "JWT"} | header, claims)
    key = secret if isinstance(secret, bytes) else secret.encode()
    return f"{signed}.{b64(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"
