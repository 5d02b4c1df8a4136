"""`make soak`, or `python -m soak`: a mixed load against a real server, and a model beside it that knows the truth."""

import argparse
import gc
import sys
import time
from pathlib import Path

import uvloop

from soak.load import Plan
from soak.process import StartFailure
from soak.run import soak
from soak.verdict import Outcome


def main() -> int:
    """0 when every promise was kept, 1 when one was broken, 2 when there was no server to test."""
    plan = _plan()
    gc.set_threshold(200_000, 50, 100)
    try:
        outcome = uvloop.run(soak(plan, _say))
    except StartFailure as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("soak: interrupted", file=sys.stderr)
        return 2
    print(_text(plan, outcome))
    return 1 if outcome.failures else 0


def _plan() -> Plan:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long, the warm-up included (600)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="what decides who does what")
    parser.add_argument("--clients", type=int, default=300, help="how many clients at a time (300)")
    parser.add_argument("--rate", type=float, default=150, help="publishes per second (150)")
    parser.add_argument("--source", type=Path, help="test the package `pushery` in this directory instead")
    options = parser.parse_args()
    return Plan(options.seconds, options.seed, options.clients, options.rate, options.source)


def _text(plan: Plan, outcome: Outcome) -> str:
    width = max((len(name) for name, _ in outcome.figures), default=0)
    lines = [f"{name:<{width}}  {value}" for name, value in outcome.figures]
    if outcome.failures:
        lines += ["", *outcome.story, *([""] if outcome.story else [])]
        lines += [f"BROKEN: {failure}" for failure in outcome.failures]
        lines.append(f"Again with: python -m soak --seconds {plan.seconds:g} --seed {plan.seed}"
                     f" --clients {plan.clients} --rate {plan.rate:g}")  # fmt: skip
    else:
        lines += ["", f"Every promise was kept (seed {plan.seed})."]
    return "\n".join(lines)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
