#!/usr/bin/env python3
"""How long a backlog takes to be counted: entries are appended in one go, as other producers append
them, and the vote after them rings. Needs a running `cargo xtask up`, its addresses in the environment
(`eval "$(cargo xtask env)"`), and redis-cli.

    bench/backlog.py [entries, default 200000] [rounds, default 3]
"""

import json
import os
import subprocess
import sys
import time
from statistics import median
from urllib.request import Request, urlopen

URL, REDIS = os.environ["SPINVOTE_URL"], os.environ["REDIS_URL"]


def total() -> int:
    with urlopen(f"{URL}/api/results") as answer:
        return json.load(answer)["total"]


def append(entries: int) -> None:
    commands = "XADD votes * vote cats\r\n" * entries
    subprocess.run(
        ["redis-cli", "-u", REDIS, "--no-auth-warning", "--pipe"],
        input=commands.encode(),
        stdout=subprocess.DEVNULL,
        check=True,
    )


def round_of(entries: int) -> float:
    before = total()
    append(entries)
    early = total() - before
    started = time.monotonic()
    urlopen(Request(f"{URL}/api/vote", data=b'{"option":"cats"}')).close()
    while total() < before + entries + 1:
        time.sleep(0.05)
    took = time.monotonic() - started
    print(f"{entries} entries in {took:.2f} s; a sweep had counted {early} of them before")
    return took


entries, rounds = (int(word) for word in (sys.argv[1:] + ["200000", "3"][len(sys.argv) - 1 :]))
print(f"median: {median(round_of(entries) for _ in range(rounds)):.2f} s")
