"""The public keys that an app's connect tokens may be signed with: PEM texts and JWKS documents (RFC 7517) as keys.

Checks no token. Invariant: a key goes with exactly one algorithm, which follows from the key and never from a token,
and none of them is secret: private and symmetric keys are refused.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

MAX_TOKEN_KEYS: Final = 16
"""Keys of one app in all: a token without a `kid` may have to be tried with each of them."""

MIN_RSA_BITS: Final = 2048  # RFC 7518 3.3
MAX_RSA_BITS: Final = 8192

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----")
_KINDS: Final = "RSA (RS256), P-256 (ES256) and Ed25519 (EdDSA)"


class UnusableKey(ValueError):
    """A text that is no public key for connect tokens; the message says why, without repeating any of it."""


class TokenKey(msgspec.Struct, frozen=True):
    """A public key, the one algorithm that it verifies (RFC 7518 3.1), and its name where it has one."""

    algorithm: str
    key: Any
    """A `PublicKey`."""
    kid: str | None = None


@lru_cache(maxsize=256)
def token_keys(texts: tuple[str, ...]) -> tuple[TokenKey, ...]:
    """The keys that the setting `token_keys` holds. Raises UnusableKey."""
    keys = tuple(key for text in texts for key in _keys_in(text))
    if len(keys) > MAX_TOKEN_KEYS:
        raise UnusableKey(f"there are {len(keys)} keys; an app has at most {MAX_TOKEN_KEYS}")
    return keys


def token_key_problems(texts: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the texts of the setting, each with its number."""
    for number, text in enumerate(texts):
        try:
            token_keys((text,))
        except UnusableKey as error:
            yield f"token_keys[{number}]: {error}"
            return
    try:
        token_keys(texts)
    except UnusableKey as error:
        yield f"token_keys: {error}"


def _keys_in(text: str) -> list[TokenKey]:
    if text.lstrip().startswith("{"):
        return _from_json(text)
    blocks = list(_BLOCK.finditer(text))
    if not blocks or _BLOCK.sub("", text).strip():
        raise UnusableKey("it is neither PEM (-----BEGIN PUBLIC KEY-----) nor a JSON Web Key Set")
    return [_from_pem(block[1], block[0]) for block in blocks]


def _from_pem(label: str, block: str) -> TokenKey:
    if "PRIVATE" in label:
        raise UnusableKey("it is a private key, which only the one who signs may have: take the public key")
    if label == "CERTIFICATE":
        raise UnusableKey("it is a certificate: take its public key (openssl x509 -pubkey -noout)")
    try:
        key = load_pem_public_key(block.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKey(f"the {label.lower()} in it cannot be read") from None
    return TokenKey(_algorithm(key), key)


def _algorithm(key: object) -> str:
    """The algorithm that a key is for. Raises UnusableKey."""
    if isinstance(key, RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise UnusableKey(f"an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, this one {key.key_size}")
        return "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    if isinstance(key, Ed25519PublicKey):
        return "EdDSA"
    raise UnusableKey(f"it is of a kind that is not supported; {_KINDS} are")


def _from_json(text: str) -> list[TokenKey]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise UnusableKey("it begins like a JSON Web Key Set but is not valid JSON") from None
    rows = document.get("keys", [document])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnusableKey("a JSON Web Key Set is an object whose 'keys' is a list of objects")
    # What providers publish for encryption stands beside what they sign with.
    keys = [_from_jwk(row) for row in rows if row.get("use", "sig") == "sig"]
    if not keys:
        raise UnusableKey("no key in it is for signatures")
    return keys


def _from_jwk(row: Mapping[str, Any]) -> TokenKey:
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
    from jwt.exceptions import InvalidKeyError

    kid, kind = row.get("kid"), row.get("kty")
    if not (kid is None or isinstance(kid, str)):
        raise UnusableKey("the 'kid' of a key is a string")
    if kind == "oct":
        raise UnusableKey("it has a symmetric key ('kty' is 'oct'): HS256 goes with the app's secrets alone")
    if "d" in row:
        raise UnusableKey("it has a private key, which only the one who signs may have: take out all but the public")
    readers = {"RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk, "OKP": OKPAlgorithm.from_jwk}
    if not isinstance(kind, str) or kind not in readers:
        raise UnusableKey(f"it has a key of a kind that is not supported; {_KINDS} are")
    try:
        key = readers[kind](dict(row))
    except (InvalidKeyError, ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        raise UnusableKey(f"a key of the kind {kind} in it cannot be read") from None
    algorithm = _algorithm(key)
    if row.get("alg", algorithm) != algorithm:
        raise UnusableKey(f"a key in it is for another algorithm than {algorithm}; {_KINDS} are supported")
    return TokenKey(algorithm, key, kid)
