"""One party of MPyC that computes the same thing again and again, and says how long each time took.

Read by the assessment on standard output, one JSON object per line: {"ready": true} after the warm-up,
then, once a line came on standard input, {"ms": ..., "right": ...} per computation, and {"done": true}. It
leaves when standard input ends. What to compute is in the environment; -P, -I and -T are MPyC's own.
"""

import asyncio
import json
import os
import random
import sys
import time

from mpyc.runtime import mpc


def say(**what):
    print(json.dumps(what), flush=True)


async def heard():
    # Not on the event loop's thread: what the others still wait for has to leave meanwhile.
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def in_clear(computation, readings):
    return {"sum": sum, "max": max, "sort": sorted}[computation](readings)


async def compute(secint, computation, readings):
    """Each party brings its part of the readings, as there are no sensors beside the parties."""
    parties = len(mpc.parties)
    parts = [readings[party::parties] for party in range(parties)]
    mine = [secint(reading) for reading in parts[mpc.pid]]
    # All parties say a list of one length in a call; those of other parties are placeholders.
    shared = []
    for party in range(parties):
        bring = mine if party == mpc.pid else [secint(None)] * len(parts[party])
        shared += mpc.input(bring, senders=party) if bring else []
    if computation == "sum":
        return int(await mpc.output(mpc.sum(shared)))
    if computation == "max":
        return int(await mpc.output(mpc.max(shared)))
    return [int(value) for value in await mpc.output(mpc.sorted(shared))]


async def main():
    task = json.loads(os.environ["ASSESSED"])
    rng = random.Random(task["seed"])
    readings = [rng.randrange(2 ** task["bits"]) for _ in range(task["readings"])]
    expected = in_clear(task["computation"], readings)
    room = len(readings).bit_length() if task["computation"] == "sum" else 1
    secint = mpc.SecInt(task["bits"] + room)
    await mpc.start()
    for _ in range(task["warm_up"]):
        await compute(secint, task["computation"], readings)
    say(ready=True)
    await heard()
    for _ in range(task["windows"]):
        began = time.perf_counter()
        value = await compute(secint, task["computation"], readings)
        say(ms=1e3 * (time.perf_counter() - began), right=value == expected)
    say(done=True)
    await heard()
    await mpc.shutdown()


mpc.run(main())
