# SPDX-License-Identifier: MIT
"""A program's machine code: whether two have the same, and the same linked in other orders.

The hash is over all sections that are executed, with their addresses: programs with one hash
can differ in data alone. The other orders come from the build that made the program: its
link command, with its object files (those in its libraries too) shuffled.
"""
from __future__ import annotations

import hashlib
import random
import shlex
import struct
import subprocess
from pathlib import Path

from corobench.exact import ProgramError
from corobench.wording import plain

_EXECUTED = 0x2 | 0x4  # SHF_ALLOC, SHF_EXECINSTR
_NO_BITS = 8


def code_hash(path: Path) -> str | None:
    """Of an ELF file of 64 bits; None for a script, whose code is elsewhere."""
    data = path.read_bytes()
    digest = hashlib.sha256()
    if data[:2] == b"#!":
        return None
    try:
        if data[:5] != b"\x7fELF\x02":
            raise ProgramError(f"{plain(path)}: not an ELF program of 64 bits")
        order = "<" if data[5] == 1 else ">"
        (table,) = struct.unpack_from(order + "Q", data, 0x28)
        entry_bytes, entries = struct.unpack_from(order + "HH", data, 0x3A)
        executed = 0
        for index in range(entries):
            _, kind, flags, address, offset, size = struct.unpack_from(
                order + "IIQQQQ", data, table + index * entry_bytes
            )
            if flags & _EXECUTED == _EXECUTED and kind != _NO_BITS:
                digest.update(struct.pack("<QQ", address, size))
                digest.update(data[offset : offset + size])
                executed += 1
    except struct.error:
        raise ProgramError(f"{plain(path)}: a truncated ELF file") from None
    if not executed:
        raise ProgramError(f"{plain(path)}: no section of it is executed")
    return digest.hexdigest()


def build_of(program: Path) -> Path | None:
    """The build directory that made the program, where that is still there."""
    for folder in program.resolve().parents:
        if (folder / "build.ninja").is_file():
            return folder
    return None


def _run(words: list[str], folder: Path) -> str:
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, errors="replace",
        timeout=300, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ProgramError(
            f"{plain(words[0])} failed in {plain(folder)}: {plain(done.stderr[-300:])}"
        )
    return done.stdout


def _link_words(program: Path, build: Path) -> list[str]:
    target = str(program.resolve().relative_to(build))
    commands = _run(["ninja", "-t", "commands", target], build).splitlines()
    words = shlex.split(commands[-1]) if commands else []
    if "-o" not in words or words[words.index("-o") + 1] != target:
        raise ProgramError(f"{plain(build)}: no link command of {plain(target)}")
    return words


def _own_objects(words: list[str], build: Path) -> list[str]:
    """Object files of the link, those in the build's own static libraries in their place."""
    found = []
    for word in words:
        if word.endswith(".o"):
            found.append(word)
        elif word.endswith(".a") and (build / word).is_file() and not word.startswith("/"):
            found += _run(["ar", "t", word], build).split()
    return found


def relink(program: Path, folder: Path, orders: int) -> list[Path]:
    """The same object files in `orders` other orders, each as a program in `folder`."""
    build = build_of(program)
    if build is None:
        return []
    words = _link_words(program, build)
    objects = _own_objects(words, build)
    rest = [word for word in words if word not in objects
            and not (word.endswith(".a") and not word.startswith("/"))]  # fmt: skip
    at = rest.index("-o")
    found = []
    for number in range(orders):
        shuffled = list(objects)
        random.Random(number + 1).shuffle(shuffled)
        out = folder / f"order{number + 1}"
        _run([*rest[:at], "-o", str(out), *shuffled, *rest[at + 2 :]], build)
        found.append(out)
    return found
