"""Holds the settings against the world: directories, files, the TLS pair, the sealing key.

Changes nothing that lasts, and does not try the port: binding it is the only honest test, and start does that.
Invariant: every problem is found in one go, each as one line, and no exception comes out.
"""

import os
import ssl
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pushery.config.loader import ConfigError, read_config_file
from pushery.config.settings import SETTINGS, Settings

LOG_FILE_NAME: Final = "pushery.log"


def check(settings: Settings) -> list[str]:
    """What keeps the server from running with these settings, one line each; empty when nothing does."""
    return [
        *_database_problems(settings.sqldir),
        *_log_problems(settings.logdir),
        *_tls_problems(settings.tls_certificate, settings.tls_key),
    ]


def check_warnings(settings: Settings, config: Path | None) -> list[str]:
    """What is unwise but works, one line each. `config` is the file the settings were loaded from, if any."""
    warnings = []
    secrets = _secrets_in(config) if config is not None else []
    if config is not None and secrets and _readable_by_others(config):
        warnings.append(
            f"{config}: everybody on this machine can read it, and it holds {' and '.join(secrets)} "
            f"(mend it with: chmod 600 {config})"
        )
    key = settings.tls_key
    if key and _readable_by_others(Path(key)):
        warnings.append(f"tls_key: everybody on this machine can read {key} (mend it with: chmod 600 {key})")
    everybody = [network for network in settings.trusted_networks if network.prefixlen == 0]
    warnings += [f"trusted_proxies: {network} is everybody: anybody can pass for any client" for network in everybody]
    if settings.hsts_max_age and not settings.tls_certificate and not settings.trusted_proxies:
        warnings.append("hsts_max_age: no request can come by TLS without tls_certificate or trusted_proxies")
    return warnings


def log_file(logdir: str) -> Path | None:
    """The file that the setting `logdir` means; None for "console"."""
    if logdir == "console":
        return None
    if logdir.endswith("/") or os.path.isdir(logdir):
        return Path(logdir, LOG_FILE_NAME)
    return Path(logdir)


def _database_problems(sqldir: str) -> Iterator[str]:
    if os.path.isdir(sqldir):
        yield f"sqldir: {sqldir} is a directory, expected a file"
        return
    # SQLite makes its journal beside the file, so the directory must be writable even when the file is there.
    yield from _directory_problems("sqldir", Path(sqldir).parent)
    # Only asked, not opened: closing a second descriptor of an open database would drop SQLite's locks (fcntl(2)).
    if os.path.exists(sqldir) and not os.access(sqldir, os.R_OK | os.W_OK):
        yield f"sqldir: {sqldir} is not readable and writable for this user"


def _log_problems(logdir: str) -> Iterator[str]:
    path = log_file(logdir)
    if path is None:
        return
    if os.path.isdir(path):
        yield f"logdir: {path} is a directory, expected a file"
    elif not os.path.exists(path):
        yield from _directory_problems("logdir", path.parent)
    elif not os.access(path, os.W_OK):
        yield f"logdir: {path} is not writable for this user"


def _directory_problems(setting: str, directory: Path) -> Iterator[str]:
    # os.path answers where pathlib would raise: in directories that this user may not enter.
    if not os.path.exists(directory):
        yield f"{setting}: no such directory within reach: {directory}"
    elif not os.path.isdir(directory):
        yield f"{setting}: not a directory: {directory}"
    else:
        try:  # a real attempt: permissions alone do not tell of a read-only or full file system
            with tempfile.TemporaryFile(dir=directory):
                pass
        except OSError as error:
            yield f"{setting}: directory is not writable: {directory} ({error.strerror})"


def _tls_problems(certificate: str, key: str) -> Iterator[str]:
    if not certificate and not key:
        return
    unreadable = [
        *_unreadable("tls_certificate", certificate),
        *_unreadable("tls_key", key),
    ]
    if unreadable:
        yield from unreadable
        return
    try:
        # The password is given so that an encrypted key is refused instead of asked for on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            yield f"tls_key: {key} is not the key of tls_certificate {certificate}"
        else:
            why = (error.reason or "no PEM found").lower().replace("_", " ")
            yield (
                f"tls_certificate, tls_key: {certificate} and {key} are not a PEM certificate and its "
                f"unencrypted PEM key ({why})"
            )
    except (OSError, ValueError) as error:
        yield f"tls_certificate, tls_key: {certificate} and {key} cannot be used ({error})"


def _unreadable(setting: str, path: str) -> Iterator[str]:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        yield f"{setting}: {path} cannot be read ({error.strerror})"


def _secrets_in(config: Path) -> list[str]:
    try:
        values = read_config_file(config).values
    except ConfigError:
        return []
    return [setting.name for setting in SETTINGS if setting.secret and values.get(setting.name)]


def _readable_by_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
