"""What a backend of an app proves itself with: its key and secret, from the registry or as given, and the proofs.

Invariant: a proof is made over exactly the text that is sent. Source: Pusher Channels protocol, section 6.
"""

from dataclasses import dataclass
from pathlib import Path

from pushery.cli.options import MISUSED, fail
from pushery.cli.registry import find_app, registry
from pushery.dialects.pusher.mac import signature


@dataclass(frozen=True, slots=True)
class Credentials:
    """A valid key of an app with its secret. `app_id` is "" when nobody has told it."""

    key: str
    secret: str
    app_id: str = ""

    def subscription_proof(self, socket_id: str, channel: str, channel_data: str | None) -> str:
        """What lets a socket subscribe to a private channel: "KEY:signature"."""
        return self._proof(
            f"{socket_id}:{channel}" if channel_data is None else f"{socket_id}:{channel}:{channel_data}"
        )

    def sign_in_proof(self, socket_id: str, user_data: str) -> str:
        """What lets a socket sign in: "KEY:signature"."""
        return self._proof(f"{socket_id}::user::{user_data}")

    def _proof(self, text: str) -> str:
        return f"{self.key}:{signature(self.secret, text.encode())}"


def find_credentials(app_key: str, secret: str, app_id: str, config: Path) -> Credentials:
    """Those that were given, or the app's in the configured registry. There are none: the command ends."""
    if secret:
        return Credentials(app_key, read_secret("--secret", secret), app_id)
    if not config.exists():
        fail(f"{config} is not there to find the app's secret with: give --secret, or a --config", code=MISUSED)
    with registry(config) as store:
        app = find_app(store, app_key)
    found = app.secret_of(app_key)
    if found is None:  # what the app is called, but revoked as a key
        return Credentials(app.keys[-1].key, app.keys[-1].secret, app.id)
    return Credentials(app_key, found, app.id)


def read_secret(flag: str, text: str) -> str:
    """A secret as given, or from the file behind an "@": what stands on a command line, `ps` shows to everybody."""
    if not text.startswith("@"):
        return utf8(flag, text)
    try:
        return Path(text[1:]).read_text(encoding="utf-8").strip()
    except OSError as error:
        fail(f"{flag}: {text[1:]} cannot be read: {error.strerror or error}", code=MISUSED)
    except ValueError:
        fail(f"{flag}: {text[1:]} is not UTF-8", code=MISUSED)


def utf8(what: str, text: str) -> str:
    """`text`, when it is one: bytes that were not UTF-8, Python hands on as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        fail(f"{what} is not UTF-8", code=MISUSED)
    return text
