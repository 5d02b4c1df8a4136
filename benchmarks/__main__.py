"""`make bench`, or `python -m benchmarks`: measures and prints one table."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks import machine, report
from benchmarks.agenda import MEASURES
from benchmarks.build import build
from benchmarks.errors import BenchError
from benchmarks.measures import Plan
from benchmarks.patterns import patterns
from benchmarks.process import pin
from benchmarks.results import JUDGED, Results
from benchmarks.servers import SERVERS, Server, started

PATTERNS = "patterns"
IDLE_SOCKETS = 10_000
SPARE_FILES = 200
"""Descriptors that a server needs beside its sockets."""


def main() -> int:
    """0 when there is a table with us in it, 1 when there is not, 2 when nothing can be measured at all."""
    options = _options()
    try:
        build()
    except BenchError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    facts = machine.facts() | {"rounds": f"{options.rounds} round{'s' * (options.rounds > 1)}"}
    results, neighbours = Results(), machine.Neighbours()
    try:
        _run(options, results)
    except KeyboardInterrupt:
        results.note("interrupted", "not all rounds are in")
    facts["others"] = neighbours.share()
    print("\n" + report.text(results, facts))
    try:
        if options.json:
            report.write_json(options.json, results, facts)
        if options.markdown:
            report.write_markdown(options.markdown, report.markdown(results, facts))
    except (OSError, BenchError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0 if results.measured(JUDGED) or JUDGED not in options.servers else 1


def _options() -> argparse.Namespace:
    servers, measures = [server.name for server in SERVERS], [*MEASURES, PATTERNS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round and shorter times: a first impression")
    parser.add_argument("--rounds", type=int, help="how often everything is measured (5)")
    _names(parser, "--only", measures)
    _names(parser, "--servers", servers)
    parser.add_argument("--json", type=Path, metavar="FILE", help="save everything, with the samples of every round")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table between the markers of a page")
    options = parser.parse_args()
    options.rounds = max(1, options.rounds or (1 if options.quick else 5))
    return options


def _names(parser: argparse.ArgumentParser, flag: str, names: list[str]) -> None:
    known = f"only these of {', '.join(names)}"
    parser.add_argument(flag, nargs="+", metavar="NAME", choices=names, default=names, help=known)


def _run(options: argparse.Namespace, results: Results) -> None:
    """All rounds. What fails once is not tried again."""
    cores = machine.cores()
    server_core, load_cores = cores or (None, None)
    pin(load_cores)
    plan = _plan(options.quick, load_cores, results)
    servers = list(_present(options.servers, results))
    given_up: set[tuple[str, type[Server] | None]] = set()
    for turn in range(1, options.rounds + 1):
        for name, kind in _agenda(options.only, servers):
            if (name, kind) in given_up:
                continue
            _progress(f"round {turn} of {options.rounds}: {name}" + (f", {kind.name}" if kind else ""))
            try:
                _measure(name, kind, server_core, plan, results)
            except (BenchError, OSError) as error:
                given_up.add((name, kind))
                results.note(f"{name}, {kind.name}" if kind else name, str(error))
    _progress("")


def _agenda(wanted: list[str], servers: list[type[Server]]) -> Iterator[tuple[str, type[Server] | None]]:
    """What one round consists of: servers in turn within each measurement, patterns (which need no server) last."""
    present = {kind.name for kind in servers}
    for name, (_, kinds) in MEASURES.items():
        for kind in kinds:
            if name in wanted and kind.name in present:
                yield name, kind
    if PATTERNS in wanted and any(kind.name == JUDGED for kind in servers):
        yield PATTERNS, None


def _measure(name: str, kind: type[Server] | None, server_core: set[int] | None, plan: Plan, results: Results) -> None:
    if kind is None:
        values, naive_ms = patterns()
        results.add(JUDGED, values)
        results.naive_ms.append(naive_ms)
        return
    measure, _ = MEASURES[name]
    with started(kind, server_core) as server:
        results.add(kind.name, measure(server, plan))


def _plan(quick: bool, load_cores: set[int] | None, results: Results) -> Plan:
    sockets = min(IDLE_SOCKETS, machine.raise_file_limit() - SPARE_FILES)
    if sockets < IDLE_SOCKETS:
        results.note("idle", f"{sockets:,} sockets only, more files may not be open here (ulimit -Hn)")
    if quick:
        return Plan(2, 1.5, 1.5, sockets, load_cores, results.note)
    return Plan(6, 3, 3, sockets, load_cores, results.note)


def _present(wanted: Iterable[str], results: Results) -> Iterable[type[Server]]:
    for kind in SERVERS:
        if kind.name in wanted:
            reason = kind.missing()
            if reason is None:
                yield kind
            else:
                results.note(kind.name, f"left out: {reason}")


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
    elif line:
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
