"""The file that holds the sealing key when no `secret_key` is set: base64 text of 32 bytes and a newline.

Does not decide whether a new key may be made: a database with sealed rows needs the one it was sealed with,
and its caller asks for `read_key` then. Invariant: the file appears whole or not at all, is its owner's
alone, and is never written again.
"""

import base64
import os
import shlex
import stat
from contextlib import suppress

from pushery.core.ports import StorageError
from pushery.storage.sealing import KEY_BYTES, decode_key

OWNER_ONLY = 0o600
OTHERS = stat.S_IRWXG | stat.S_IRWXO
MORE_THAN_A_KEY = 1024  # bytes to read: enough to see that a file is something else


def read_or_create_key(path: str) -> bytes:
    """The key in `path`, made at the first call. Processes that race here all return the same key."""
    key = _read(path)
    if key is None:
        _create(path)
        key = read_key(path)  # whoever won the race: what the file says counts
    # Found or made: whoever made it may have died before its name was durable, and now something gets sealed.
    sync_directory_of(path)
    return key


def read_key(path: str) -> bytes:
    """The key in `path`, which must be there."""
    key = _read(path)
    if key is None:
        raise StorageError(f"the key file {path} is missing; restore it, or set secret_key to the key it held")
    return key


def _read(path: str) -> bytes | None:
    """The key, None when there is no such file."""
    try:
        with open(path, "rb") as file:
            others_may_read = os.fstat(file.fileno()).st_mode & OTHERS
            content = file.read(MORE_THAN_A_KEY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"the key file {path} cannot be read: {error.strerror}") from None
    if others_may_read:
        raise StorageError(f"the key file {path} is open to other users: run chmod 600 {shlex.quote(path)}")
    key = decode_key(content.decode("latin-1"))
    if key is None:
        raise StorageError(f"the key file {path} does not hold {KEY_BYTES} bytes in base64: restore it from a backup")
    return key


def _create(path: str) -> None:
    """Put a new key at `path`, unless somebody else does so first.

    Written aside and then linked: `link` refuses an existing name, so the first one wins, and nobody (a
    racing process, or the next start after a crash) ever sees half a key.
    """
    draft = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        _write_durably(draft, base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        with suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        raise StorageError(f"the key file {path} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            os.unlink(draft)


def _write_durably(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, OWNER_ONLY)  # whatever the umask made of it
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def sync_directory_of(path: str) -> None:
    """Make the name itself durable: fsync(2) of a file says nothing about its entry in the directory."""
    try:
        directory = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise StorageError(f"the directory of {path} cannot be synced: {error.strerror}") from None
