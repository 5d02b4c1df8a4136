"""What a certificate says of itself: names and dates."""

from dataclasses import dataclass
from typing import Final

from cryptography import x509

from pushery.cli.doctor.finding import Finding, fail, ok, warn

_DAY_S: Final = 86_400
_SOON_DAYS: Final = 14
"""Certbot renews 30 days before the end: below 14 something does not renew."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate. Times are unix seconds; `names` are DNS names and IP addresses."""

    names: tuple[str, ...]
    from_s: float
    until_s: float


def read_pem(data: bytes) -> Shown:
    """The first certificate of a PEM file. Raises ValueError."""
    return _shown(x509.load_pem_x509_certificate(data))


def read_der(data: bytes) -> Shown:
    """A certificate as a server shows it. Raises ValueError."""
    return _shown(x509.load_der_x509_certificate(data))


def _shown(certificate: x509.Certificate) -> Shown:
    names: tuple[str, ...] = ()
    try:
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = listed.get_values_for_type(x509.DNSName)
        names = (*dns, *map(str, listed.get_values_for_type(x509.IPAddress)))
    except x509.ExtensionNotFound:
        pass
    return Shown(names, certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())


def expiry(name: str, shown: Shown, now_s: float, mend: str) -> Finding:
    """Whether it is valid at a time, and for how long still."""
    days = int(abs(shown.until_s - now_s) // _DAY_S)
    of = ", ".join(shown.names) or "no name"
    if now_s > shown.until_s:
        return fail(name, f"it has expired {days} days ago (of {of})", mend)
    if now_s < shown.from_s:
        return fail(name, f"it is not valid yet (of {of})", "see to this machine's clock, or wait")
    text = f"it is of {of}, and valid for {days} more days"
    return warn(name, text, mend) if days < _SOON_DAYS else ok(name, text)
