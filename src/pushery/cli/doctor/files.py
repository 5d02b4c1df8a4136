"""Checks of files: the configuration, who may read secrets, the registry and its disk, the TLS pair.

Only reads. Invariant: a registry that is not there yet is not made.
"""

import os
import shlex
import shutil
import sqlite3
import stat
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from pushery.cli.doctor.finding import Finding, Findings, fail, ok, skip, warn
from pushery.cli.subject import NoSubject, registered, schema_of
from pushery.config import ConfigError, Settings, check, load

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MIB: Final = 1024 * 1024
_LOW_DISK: Final = 1024 * _MIB
_NO_DISK: Final = 64 * _MIB
"""Bytes that have to be free: the registry is small, but the webhooks' outbox and the log beside it grow."""


def configuration(config: Path, environ: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    """The settings, None when they cannot be used, and what there is to say about them."""
    name = "configuration"
    try:
        settings = load(config, environ, {})
    except ConfigError as error:
        mend = "correct it; docs/reference/settings.md has every setting"
        if not config.exists():
            mend = f"pushery init --config {config}, or name the file with --config"
        return None, [fail(name, problem, mend) for problem in error.problems]
    problems = check(settings)
    if problems:
        return settings, [fail(name, problem, "mend it, then run: pushery check") for problem in problems]
    return settings, [ok(name, f"{config} loads, and a server could start with it")]


def permissions(settings: Settings, config: Path) -> Findings:
    """Who may read what holds secrets."""
    paths = [("the configuration", str(config)), ("the sealing key", f"{settings.sqldir}.key")]
    paths += [("the registry", settings.sqldir), ("the TLS key", settings.tls_key)]
    for what, path in paths:
        if not path or not os.path.exists(path):
            continue
        mode = stat.S_IMODE(os.stat(path).st_mode)
        name = f"permissions of {what}"
        shown = f"{path} has mode {mode:04o}"
        if not mode & _OTHERS:
            yield ok(name, shown)
            continue
        fatal = what == "the sealing key" or bool(mode & stat.S_IRWXO)
        found = f"{shown}: {'others on this machine' if fatal else 'its group'} can get at it"
        yield (fail if fatal else warn)(name, found, f"chmod 600 {shlex.quote(path)}")


def registry(settings: Settings) -> Findings:
    """Whether the database opens, is whole and of this version, and its secrets can be read."""
    path, name = settings.sqldir, "registry"
    if not os.path.exists(path):
        yield ok(name, f"{path} is not there yet; the first start makes it")
        return
    damage = _damage(path)
    if damage:
        yield fail(name, f"{path} is damaged: {damage}", "restore it: docs/how-to/back-up-the-registry.md")
        return
    try:
        version, _ = schema_of(path)
    except NoSubject as error:
        yield fail(name, str(error), f"let this user read and write {path} and its directory, or name another sqldir")
        return
    yield from _schema(settings, version)


def _schema(settings: Settings, version: int) -> Findings:
    from pushery.storage.migrations import MIGRATIONS  # takes long to import

    name, path, ours = "registry", settings.sqldir, len(MIGRATIONS)
    if version > ours:
        found = f"{path} has schema {version}, this Pushery knows {ours}: a newer one wrote it"
        yield fail(name, found, "upgrade Pushery, or restore the backup that you made before")
        return
    if version < ours:
        yield warn(name, f"{path} has schema {version}; the next start brings it to {ours}", f"cp {path} {path}.backup")
        return
    try:
        apps = registered(settings)
    except NoSubject as error:
        yield fail(name, str(error), error.mend or "restore the key with the database, or set secret_key")
        return
    count = len(apps)
    yield ok(name, f"{path} is whole, schema {version}, {count} app{'' if count == 1 else 's'}, secrets readable")


def _damage(path: str) -> str:
    """What SQLite says is wrong with it; "" when nothing is, or when it cannot be opened at all."""
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as database:
            said = str(database.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.OperationalError:
        return ""
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if said == "ok" else said.splitlines()[0]


def disk(settings: Settings) -> Findings:
    """Whether the registry's directory can be written, and has room."""
    name, directory = "disk", str(Path(settings.sqldir).absolute().parent)
    try:
        free = shutil.disk_usage(directory).free
    except OSError as error:
        yield fail(name, f"{directory}: {error.strerror}", f"mkdir -p {directory}, or name another sqldir")
        return
    if not os.access(directory, os.W_OK | os.X_OK):
        yield fail(name, f"{directory} is not writable for this user", f"chown it to the server's user: {directory}")
        return
    shown = f"{free // _MIB:,} MiB are free in {directory}"
    if free < _NO_DISK:
        yield fail(name, shown, "make room: without it no app can be registered and webhooks are lost")
        return
    yield warn(name, shown, "make room before it runs out") if free < _LOW_DISK else ok(name, shown)


def certificate(settings: Settings, now_s: float) -> Findings:
    """Whether the configured TLS pair can be used, and for how long. That the two fit, `configuration` has seen."""
    from pushery.cli.doctor.certificates import expiry, read_pem

    name = "TLS certificate file"
    if not settings.tls_certificate:
        yield skip(name, "this server does not speak TLS itself")
        return
    try:
        shown = read_pem(Path(settings.tls_certificate).read_bytes())
    except (OSError, ValueError):
        yield skip(name, f"{settings.tls_certificate} cannot be read; see 'configuration'")
        return
    yield expiry(name, shown, now_s, "renew it, put the new pair in its place, and send SIGHUP")
