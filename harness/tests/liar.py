# SPDX-License-Identifier: MIT
"""A peer in another language, honest or lying in every way that a harness must survive.
guest.py drives it. usage: liar.py liar subject=WAY (bench/peers/README.md has the dialogue)"""

import json
import os
import pathlib
import signal
import sys
import time


def answer(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def count(ops: int) -> int:
    counted = 0
    for _ in range(ops):
        counted += 1
    return counted


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave_daemon() -> None:
    """As a daemon does it: a session of its own, and nobody's child."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            pathlib.Path(os.environ["LIAR_DAEMON"]).write_text(str(os.getpid()), "utf-8")
            null = os.open("/dev/null", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            time.sleep(600)
        os._exit(0)
    os.wait()


def babble() -> None:
    while True:
        sys.stdout.write("x" * 1000)


# What the way does in place of an honest answer, or before it.
WAYS = {
    "honest": lambda ops: answer(counted=count(ops)),
    "skips": lambda ops: answer(counted=count(ops - ops // 2)),
    "claims": lambda ops: answer(counted=ops),
    "garbles": lambda ops: print("this is no answer", flush=True),
    "evades": lambda ops: answer(answered=count(ops)),
    "babbles": lambda ops: babble(),
    "hangs": lambda ops: time.sleep(600),
    "crashes": lambda ops: crash(),
    "leaves": lambda ops: sys.exit(3),
    "refuses": lambda ops: answer(error="no more of this"),
    "daemon": lambda ops: answer(counted=count(ops)),
    "sleeps": lambda ops: answer(counted=sum(time.sleep(0.0001) is None for _ in range(ops))),
    "strays": lambda ops: answer(counted=count(ops)),
    "lingers": lambda ops: answer(counted=count(ops)),
    "fails-late": lambda ops: answer(counted=count(ops)),
}


def main(way: str) -> int:
    if way == "absent":
        answer(skipped="this machine has none of it")
        return 0
    if way == "daemon":
        leave_daemon()
    if way == "strays":
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    answer(ready="liar 1.0")
    for line in sys.stdin:
        WAYS[way](int(line))
    if way == "lingers":
        time.sleep(600)
    return 9 if way == "fails-late" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2].removeprefix("subject=")))
