"""TLS with a certificate that can be renewed without a restart."""

import ssl
from pathlib import Path

from cryptography import x509


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """A context for the PEM files `certificate` (with its chain) and `key`. Raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key, password=_no_password)
    return context


def expires_s(certificate: str) -> float | None:
    """When the certificate of this PEM file, the first of its chain, expires, in unix seconds; None: unknown."""
    try:
        found = x509.load_pem_x509_certificate(Path(certificate).read_bytes())
    except (OSError, ValueError):  # OpenSSL reads more forms of them than this
        return None
    return found.not_valid_after_utc.timestamp()


def renew(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Serve new connections with the files as they are now. Raises OSError, and goes on with the old ones then."""
    server_context(certificate, key)  # a half-written pair must not spoil the context in use
    context.load_cert_chain(certificate, key, password=_no_password)


def _no_password() -> str:
    """A server has nobody to ask for a passphrase."""
    raise ssl.SSLError("the key is encrypted with a passphrase; give one without")
