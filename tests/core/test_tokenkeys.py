"""The keys that tokens may be signed with: what is one, and why something is not."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.tokenkeys import MAX_TOKEN_KEYS, UnusableKey, token_key_problems, token_keys
from tests.core.minting import Signer, b64, signer

ALGORITHMS = ("RS256", "ES256", "EdDSA")


def why_not(text: str) -> str:
    with pytest.raises(UnusableKey) as caught:
        token_keys((text,))
    return str(caught.value)


def key_set(*rows: object) -> str:
    return json.dumps({"keys": rows})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_says_itself_for_which_algorithm_it_is(algorithm: str) -> None:
    one = signer(algorithm)
    for text in (one.pem, f"\n{one.pem}\n", key_set(one.jwk()), json.dumps(one.jwk(use="sig", alg=algorithm))):
        [key] = token_keys((text,))
        assert (key.algorithm, key.kid) == (algorithm, None)
        assert key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() == one.pem


def test_a_text_may_hold_several_keys_and_those_of_a_set_have_names() -> None:
    pems = "".join(signer(algorithm).pem for algorithm in ALGORITHMS)
    rows = key_set(*(signer(algorithm).jwk(kid=f"of {algorithm}") for algorithm in ALGORITHMS))
    keys = token_keys((pems, rows))
    assert [key.algorithm for key in keys] == [*ALGORITHMS, *ALGORITHMS]
    assert [key.kid for key in keys] == [None, None, None, "of RS256", "of ES256", "of EdDSA"]


def test_keys_for_encryption_in_a_set_are_passed_over() -> None:
    wrap = signer("RS256").jwk(use="enc", alg="RSA-OAEP")
    assert [key.algorithm for key in token_keys((key_set(wrap, signer("ES256").jwk()),))] == ["ES256"]
    assert "for signatures" in why_not(key_set(wrap))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "neither PEM"),
        ("secret", "neither PEM"),
        ("-----BEGIN PUBLIC KEY-----\nabc\n", "neither PEM"),
        (signer("ES256").pem + "and more", "neither PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "public key in it cannot be read"),
        (signer("EdDSA").private_pem, "private key"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "openssl x509 -pubkey"),
        (
            Signer("RS256", rsa.generate_private_key(65537, 1024)).pem,  # noqa: S505
            "2048 to 8192 bits, this one 1024",
        ),
        (Signer("ES384", ec.generate_private_key(ec.SECP384R1())).pem, "not supported"),
        ("{", "not valid JSON"),
        ('{"keys":1}', "list of objects"),
        ('{"keys":[1]}', "list of objects"),
        ('{"keys":[]}', "for signatures"),
        ("{}", "of a kind that is not supported"),
        (key_set({"kty": "oct", "k": b64(b"secret")}), "symmetric"),
        (key_set({"kty": ["RSA"]}), "not supported"),
        (key_set({"kty": "RSA"}), "cannot be read"),
        (key_set(signer("RS256").jwk(d="AQ")), "private key"),
        (key_set(signer("RS256").jwk(alg="HS256")), "another algorithm than RS256"),
        (key_set(signer("RS256").jwk(alg="RS512")), "another algorithm than RS256"),
        (key_set(signer("ES256").jwk(x="AA")), "cannot be read"),
        (key_set(signer("ES256").jwk(kid=7)), "'kid' of a key is a string"),
        (key_set(Signer("ES384", ec.generate_private_key(ec.SECP384R1())).jwk()), "not supported"),
    ],
)
def test_what_is_no_public_key_is_refused_in_plain_words(text: str, words: str) -> None:
    assert words in why_not(text)


def test_the_setting_names_the_text_that_is_wrong_and_repeats_nothing_of_it() -> None:
    [problem] = token_key_problems((signer("ES256").pem, signer("EdDSA").private_pem))
    assert problem.startswith("token_keys[1]: it is a private key")
    assert "MC4C" not in problem
    assert list(token_key_problems((signer("ES256").pem,))) == []


def test_an_app_has_a_bounded_number_of_keys() -> None:
    few = signer("EdDSA").pem * MAX_TOKEN_KEYS
    assert list(token_key_problems((few,))) == []
    [problem] = token_key_problems((few, signer("ES256").pem))
    assert problem == f"token_keys: there are {MAX_TOKEN_KEYS + 1} keys; an app has at most {MAX_TOKEN_KEYS}"


MEMBERS = st.sampled_from(["kty", "n", "e", "x", "y", "crv", "kid", "use", "alg"])
JUNK = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(MEMBERS, inner)
)


@given(
    st.text()
    | st.dictionaries(MEMBERS, st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB", "sig"]) | JUNK).map(
        key_set
    )
    | JUNK.map(lambda junk: json.dumps({"keys": junk}))
    | st.binary(max_size=60).map(lambda data: f"-----BEGIN PUBLIC KEY-----\n{b64(data)}\n-----END PUBLIC KEY-----")
)
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    list(token_key_problems((text,)))
