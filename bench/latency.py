#!/usr/bin/env python3
"""How long it takes until a vote is in the results, on an idle system: one that was cast over HTTP, which
rings, and one that was only appended to the stream, which the sweep finds. Needs what backlog.py needs.

    bench/latency.py [votes that ring, default 100] [votes that do not, default 10]
"""

import json
import os
import random
import subprocess
import sys
import time
from statistics import median
from urllib.request import Request, urlopen

URL, REDIS = os.environ["SPINVOTE_URL"], os.environ["REDIS_URL"]


def total() -> int:
    with urlopen(f"{URL}/api/results") as answer:
        return json.load(answer)["total"]


def cast() -> None:
    urlopen(Request(f"{URL}/api/vote", data=b'{"option":"cats"}')).close()


def append() -> None:
    command = ["redis-cli", "-u", REDIS, "--no-auth-warning", "XADD", "votes", "*", "vote", "cats"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def until_visible(vote, apart: float) -> float:
    time.sleep(random.uniform(0.0, apart))
    before = total()
    vote()
    started = time.monotonic()
    while total() == before:
        time.sleep(0.001)
    return time.monotonic() - started


ringing, silent = (int(word) for word in (sys.argv[1:] + ["100", "10"][len(sys.argv) - 1 :]))
# Those for the sweep must not keep step with it.
for name, vote, votes, apart in (("cast", cast, ringing, 0.1), ("appended", append, silent, 5.0)):
    times = [until_visible(vote, apart) for _ in range(votes)]
    print(f"{name}: median {median(times) * 1000:.0f} ms, longest {max(times) * 1000:.0f} ms of {votes}")
