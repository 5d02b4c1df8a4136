"""Does the soak test find what it is for? `python -m soak.mutants` puts one defect at a time into a copy of the server.

Each defect has to be found within a minute. The copies lie in temporary directories; the tree is left alone.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pushery

SECONDS: Final = 60
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Mutant:
    """A defect: in `path`, `old` becomes `new`; `head` goes in front of the file's first `from`."""

    name: str
    path: str
    old: str
    new: str
    head: str = ""


_SOMETIMES: Final = "import itertools\n_turn = itertools.count(1).__next__\n"

MUTANTS: Final = (
    Mutant(
        "a frame is dropped, one write of 500",
        "core/fanout.py",
        "            return write_all(audience, data)\n",
        "            some = dict(list(audience.items())[1:]) if _turn() % 500 == 0 else audience\n"
        "            return write_all(some, data)\n",
        _SOMETIMES,
    ),
    Mutant(
        "a frame is sent twice, one write of 500",
        "core/fanout.py",
        "            return write_all(audience, data)\n",
        "            return write_all(audience, data * 2 if _turn() % 500 == 0 else data)\n",
        _SOMETIMES,
    ),
    Mutant(
        "frames of one turn go out the other way round",
        "core/fanout.py",
        "data = joined[key] = frames[0] if len(frames) == 1 else b\"\".join(frames)",
        "data = joined[key] = frames[0] if len(frames) == 1 else b\"\".join(frames[::-1])",
    ),
    Mutant(
        "a push goes to another app, one of 200",
        "node/node.py",
        "        crowd = self.hub.crowd(publication.app_key)\n        frame =",
        "        key = publication.app_key if _turn() % 200 else next(iter(self.hub.crowds))\n"
        "        crowd = self.hub.crowd(key)\n        frame =",
        _SOMETIMES,
    ),
    Mutant(
        "who is left out by socket_id gets the event",
        "core/fanout.py",
        "        gathered.leave_out(without)\n        return 1",
        "        if _turn() % 20:\n            gathered.leave_out(without)\n        return 1",
        _SOMETIMES,
    ),
    Mutant(
        "member_removed is lost, one of 20",
        "node/channels.py",
        "            if not is_vacated:\n"
        "                self._tell(crowd, channel, self._voice.member_removed(name, gone))",
        "            if not is_vacated and _turn() % 20:\n"
        "                self._tell(crowd, channel, self._voice.member_removed(name, gone))",
        _SOMETIMES,
    ),
    Mutant(
        "who has just come gets what came before",
        "core/fanout.py",
        '        """Somebody is about to join an audience: what was published so far is not for them."""\n'
        "        self.flush()\n",
        '        """Somebody is about to join an audience: what was published so far is not for them."""\n',
    ),
    Mutant(
        "who leaves does not get what was gathered",
        "core/fanout.py",
        '        """Somebody is about to leave an audience: what was published so far is still for them."""\n'
        "        self.flush()\n",
        '        """Somebody is about to leave an audience: what was published so far is still for them."""\n'
        "        self._pending.clear()\n",
    ),
    Mutant(
        "a broadcast forgets its last slice, one of 50",
        "core/fanout.py",
        "        return not self._owed\n",
        "        return not self._owed or _turn() % 50 == 0\n",
        _SOMETIMES,
    ),
    Mutant(
        "a total is one too many, one of 300",
        "core/fanout.py",
        "        total = len(audience) - self._gather(frame, audience, without)\n",
        "        total = len(audience) - self._gather(frame, audience, without) + (_turn() % 300 == 0)\n",
        _SOMETIMES,
    ),
    Mutant(
        "an idempotency key is forgotten, one of 10",
        "node/node.py",
        "        if found is not None:\n            fingerprint",
        "        if found is not None and _turn() % 10:\n            fingerprint",
        _SOMETIMES,
    ),
    Mutant(
        "a cache channel keeps the event before",
        "node/channels.py",
        "                channels.cache.put(name, Cached(text, event.data, until))",
        "                if _turn() % 10:\n"
        "                    channels.cache.put(name, Cached(text, event.data, until))",
        _SOMETIMES,
    ),
    Mutant(
        "a slow client gets some of its frames instead of a close",
        "core/outbox.py",
        "            self._overflow(frame)\n",
        "            self.size -= len(frame)\n",
    ),
    Mutant(
        "a pattern misses a tag",
        "core/tags.py",
        "            audience = self.audiences.get(compiled.exact)",
        "            audience = self.audiences.get(compiled.exact) if compiled.exact != \"D:12\" else None",
    ),
    Mutant(
        "a terminated user keeps a socket",
        "node/channels.py",
        "        return [] if crowd is None else list(crowd.users.sockets(user_id))",
        "        return [] if crowd is None else list(crowd.users.sockets(user_id))[: None if _turn() % 10 else -1]",
        _SOMETIMES,
    ),
    Mutant(
        "a user who is gone stays signed in",
        "node/channels.py",
        "        crowd.users.unwatch(peer, place.watchlist)\n        if place.user_id is not None and",
        "        if place.user_id is not None and _turn() % 20 and",
        _SOMETIMES,
    ),
    Mutant(
        "a webhook is not told of something, one of 200",
        "node/channels.py",
        "        if app.settings.webhooks:\n            self._hooks.happened(app, event)",
        "        if app.settings.webhooks and _turn() % 200:\n            self._hooks.happened(app, event)",
        _SOMETIMES,
    ),
    Mutant(
        "a defect is logged as a traceback",
        "dialects/pusher/session.py",
        '        if incoming.event.startswith("pusher:"):\n            raise _Fault',
        '        if incoming.event.startswith("pusher:"):\n            raise KeyError',
    ),
)  # fmt: skip


def main() -> int:
    """0 when every defect was found, 1 when one was not."""
    parser = argparse.ArgumentParser(prog="python -m soak.mutants", description=__doc__)
    parser.add_argument("--only", metavar="WORDS", default="", help="only defects whose name holds these words")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.name]
    missed = 0
    for mutant in chosen:
        started = time.monotonic()
        found = _found(mutant)
        missed += not found
        seconds = time.monotonic() - started
        print(f"{'found in' if found else 'NOT FOUND in'} {seconds:3.0f} s: {mutant.name}", flush=True)
        for line in found[:3]:
            print(f"    {line[:200]}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} defects were found")
    return 1 if missed else 0


def _found(mutant: Mutant) -> Sequence[str]:
    """What the soak test says of a server with this defect; nothing when it finds no fault with it."""
    with TemporaryDirectory(prefix="pushery-mutant-") as directory:
        seed(mutant, Path(directory))
        command = [sys.executable, "-m", "soak", "--seconds", str(SECONDS), "--seed", str(_SEED), "--source", directory]
        done = subprocess.run(  # our own program
            command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=SECONDS * 5, check=False
        )
    if done.returncode == 2:
        return [f"the server did not start: {done.stderr[-300:]}"]
    return [line for line in done.stdout.splitlines() if line.startswith("BROKEN: ")]


def seed(mutant: Mutant, directory: Path) -> None:
    """Put a copy of the package with this defect in it into `directory`."""
    copied = directory / "pushery"
    shutil.copytree(Path(pushery.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    path = copied / mutant.path
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise SystemExit(f"mutants: {mutant.path} has no single place for {mutant.name!r}: mend the mutant")
    text = text.replace(mutant.old, mutant.new)
    path.write_text(text.replace("\nfrom ", f"\n{mutant.head}from ", 1) if mutant.head else text)


if __name__ == "__main__":
    sys.exit(main())
