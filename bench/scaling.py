#!/usr/bin/env python3
"""What a peak of votes asks for: how many cells, how much memory in each, and when the last vote is counted.

A simulation in steps of a second, of what one machine was measured at: see docs/scaling.md. Clients are spread over
cells by weights, or by a ring of hashes as gateways make one; PostgreSQL counts what all streams hold, at its own rate.

    bench/scaling.py [--help]
"""

import argparse
import random
from bisect import bisect
from dataclasses import dataclass


@dataclass
class Peak:
    """What was simulated."""

    cells: int
    busiest: float  # times the share of an average cell
    waiting: int  # votes, at most
    memory: float  # GiB that the busiest Redis fills
    counted_after: int  # seconds after the first vote
    refused: int  # votes that a Redis was too slow for


def shares(cells: int, points: int, seed: int) -> list[float]:
    """Which part of all votes each cell gets, by a ring of so many points, or, with none, by weights."""
    if not points:
        return [1 / cells] * cells
    chance = random.Random(seed)
    ring = sorted((chance.random(), cell % cells) for cell in range(points))
    places = [place for place, _ in ring]
    votes = [0] * cells
    for _ in range(100_000):
        at = bisect(places, chance.random()) % points
        votes[ring[at][1]] += 1
    return [count / 100_000 for count in votes]


def simulate(options: argparse.Namespace, rate: int) -> Peak:
    # No more than `load` of what a Redis can do is planned for an average one.
    cells = max(1, -(-rate // int(options.append * options.load)))
    spread = shares(cells, options.ring if cells > 1 else 0, options.seed)
    streams, taken = [0.0] * cells, [0.0] * cells
    highest, refused, second = 0.0, 0.0, 0
    while second < options.seconds or sum(streams) >= 1:
        for cell, share in enumerate(spread):
            come = rate * share if second < options.seconds else 0
            appended = min(come, options.append)
            refused += come - appended
            streams[cell] += appended
            taken[cell] += appended
        waiting = sum(streams)
        highest = max(highest, waiting)
        # Consumers of every cell take turns: each stream shrinks by its part of what waits.
        left = max(0, waiting - options.record) / waiting if waiting else 0
        streams = [stream * left for stream in streams]
        second += 1
    return Peak(cells, max(spread) * cells, round(highest), max(taken) * options.bytes / 2**30, second, round(refused))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--append", type=int, default=50_000, help="votes/s that one Redis appends")
    words.add_argument("--record", type=int, default=100_000, help="votes/s that PostgreSQL records, of all cells together")
    words.add_argument("--bytes", type=int, default=273, help="bytes of a vote in Redis, with its remembered key")
    words.add_argument("--load", type=float, default=0.7, help="part of what a Redis can do that is planned for it")
    words.add_argument("--seconds", type=int, default=60, help="how long the peak lasts")
    words.add_argument("--ring", type=int, default=1024, help="points of the ring of hashes; 0 for weights")
    words.add_argument("--seed", type=int, default=1, help="of the ring")
    words.add_argument("rates", type=int, nargs="*", default=[10_000, 100_000, 300_000, 1_000_000], help="votes/s")
    options = words.parse_args()
    print("   votes/s  cells  busiest  waiting at most  GiB in its Redis  last counted after  refused")
    for rate in options.rates:
        peak = simulate(options, rate)
        print(
            f"{rate:10,}  {peak.cells:5}  {peak.busiest:6.2f}×  {peak.waiting:15,}  {peak.memory:16.2f}  "
            f"{peak.counted_after:16} s  {peak.refused:7,}"
        )


main()
