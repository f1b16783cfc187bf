# SPDX-License-Identifier: MIT
"""Python's greenlets, as a peer (../README.md has the dialogue). greenlet has no scheduler: a
greenlet switches to another by name, and here each knows the next of a ring.

Each flow counts in a place of its own; a run returns their sum.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable

import greenlet

Run = Callable[[int], int]


def yields(params: dict[str, str]) -> Run:
    """One op: a flow switches to the next of the ring. The flows live on between runs: the one
    whose turn it is when the ops are done switches to main."""
    flows = int(params["flows"])
    main = greenlet.getcurrent()
    counts, left, ring = [0] * flows, [0] * flows, []

    def flow(i: int) -> None:
        while True:
            while left[i] > 0:
                left[i] -= 1
                counts[i] += 1
                ring[(i + 1) % flows].switch()
            main.switch()

    for i in range(flows):
        ring.append(greenlet.greenlet(lambda i=i: flow(i)))
        ring[i].switch()  # started from main, not each from within the one before
    turn = 0

    def run(ops: int) -> int:
        """Flow turn + n has its turn after n switches: that one is told to stop."""
        nonlocal turn
        for i in range(flows):
            counts[i] = 0
            left[i] = ops // flows + 1
        stop = (turn + ops) % flows
        left[stop] = ops // flows
        ring[turn].switch()
        turn = stop
        return sum(counts)

    return run


def spawn(params: dict[str, str]) -> Run:
    batch = int(params["batch"])

    def run(ops: int) -> int:
        counted = 0

        def flow() -> None:
            nonlocal counted
            counted += 1

        left = ops
        while left > 0:
            flows = [greenlet.greenlet(flow) for _ in range(min(batch, left))]
            for one in flows:
                one.switch()
            left -= len(flows)
        return counted

    return run


def message(_: dict[str, str]) -> Run:
    """The item goes with the switch, and the answer comes with the one back."""

    def replies(item: int) -> None:
        main = greenlet.getcurrent().parent
        while True:
            item = main.switch(item)

    replier = greenlet.greenlet(replies)

    def run(ops: int) -> int:
        counted = 0
        for i in range(ops):
            counted += replier.switch(i) == i
        return counted

    return run


def footprint(_: dict[str, str]) -> Run:
    parked: list[greenlet.greenlet] = []

    def run(ops: int) -> int:
        begun = 0

        def flow() -> None:
            nonlocal begun
            begun += 1
            greenlet.getcurrent().parent.switch()

        for _ in range(ops):
            one = greenlet.greenlet(flow)
            one.switch()
            parked.append(one)
        return begun

    return run


def main(experiment: str, words: list[str]) -> None:
    params = dict(word.split("=", 1) for word in words)
    run = {"yield": yields, "spawn": spawn, "message": message,
           "footprint": footprint}[experiment](params)
    version = f"greenlet {greenlet.__version__}, Python {platform.python_version()}"
    print(f'{{"ready": "{version}"}}', flush=True)
    for line in sys.stdin:
        print(f'{{"counted": {run(int(line))}}}', flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
