"""`python3 -m chaos`: see scripts/chaos."""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile

from .faults import sequence
from .run import Run, report

ABOUT = """Kill, stop and cut Redis and relays under clients that stall, come and go and hop, and count what each of them got.

Two relays stand on a Redis that writes everything to disk before it answers, with a replica. With streams, every client must
have every milestone and ending of what it watches, once and in order. With --pubsub what was lost must be told by a gap."""


def parsed():
    """The arguments."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long faults go on (default 60)")
    parser.add_argument("--seed", type=int, help="faults, events and clients come from it (default: a new one, printed)")
    parser.add_argument("--pubsub", dest="streams", action="store_false", help="publish with PUBLISH rather than XADD")
    parser.add_argument("--binary", default="target/debug/jobwire", help="the relay (default target/debug/jobwire)")
    parser.add_argument("--rounds", type=int, default=3, help="16 clients a round (default 3)")
    parser.add_argument("--no-faults", dest="faults", action="store_false", help="clients and publisher alone")
    parser.add_argument("--sequence", action="store_true", help="print the faults of the seed and end")
    parser.add_argument("--folder", help="keep logs there (default: a temporary folder, kept after a failure)")
    options = parser.parse_args()
    if not 1 <= options.seconds <= 86_400 or not 1 <= options.rounds <= 100:
        parser.error("--seconds is 1 to 86400, and --rounds 1 to 100")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    return options


async def run(options, folder):
    """Does one run. Gives whether all was well."""
    world = Run(options, folder)
    try:
        found = await world.go()
    finally:
        await world.stop()
    print(world.summary())
    if found:
        report(found, world.publisher.journal, folder)
    return not found


def leaves(group):
    """The exceptions within a group, however deep."""
    for error in group.exceptions:
        yield from leaves(error) if isinstance(error, BaseExceptionGroup) else (error,)


def main():
    """Exit code 0: nothing is missing, nothing came twice, nothing out of order. 1: something is. 2: bad usage."""
    options = parsed()
    mode = "streams" if options.streams else "pubsub"
    print(f"seed {options.seed}, {options.seconds:.0f} s, {mode}")
    for fault in sequence(options.seed, options.seconds) if options.faults else []:
        print(f"    {fault}")
    if options.sequence:
        return 0
    folder = options.folder or tempfile.mkdtemp(prefix="jobwire-chaos-")
    os.makedirs(folder, exist_ok=True)
    is_well = False
    try:
        is_well = asyncio.run(run(options, folder))
    except* (OSError, RuntimeError) as group:
        # A server that could not be started, or did not come back in time.
        for error in leaves(group):
            print(f"error: {error}")
    if is_well and not options.folder:
        shutil.rmtree(folder)
    again = f"scripts/chaos --seconds {options.seconds:.0f} --seed {options.seed}{'' if options.streams else ' --pubsub'}"
    print("ok" if is_well else f"failed; again: {again}")
    return 0 if is_well else 1


try:
    sys.exit(main())
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(130)
