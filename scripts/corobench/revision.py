# SPDX-License-Identifier: MIT
"""Builds another revision as the new program was built, in a worktree that is gone afterwards.

A program's code holds addresses of its text, and so depends on the length of every path that
is compiled in. So the worktree and the build directory get paths as long as those of the
new program's: then the same source gives the same machine code, and is seen to.
"""
from __future__ import annotations

import json
import os
import secrets
import shutil
import string
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corobench.exact import ProgramError
from corobench.machine_code import build_of
from corobench.wording import plain

# Of the build's options, those that change the machine code.
OPTIONS = ("buildtype", "optimization", "debug", "b_lto", "b_sanitize", "b_ndebug", "c_args",
           "c_link_args", "cpp_args")  # fmt: skip


def _run(words: list[str], **more: Any) -> str:
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", check=False, **more
    )
    if done.returncode != 0:
        told = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise ProgramError(f"{plain(' '.join(words[:4]), 120)}...: {plain(told, 300)}")
    return str(done.stdout)


def path_of_length(length: int, folder: Path) -> Path:
    """A new name in `folder`, as long as asked where that leaves room for a random one."""
    room = length - len(str(folder)) - 1
    letters = string.ascii_lowercase + string.digits
    return folder / "".join(secrets.choice(letters) for _ in range(max(room, 6)))


def _meson() -> str:
    return "/usr/bin/meson" if os.access("/usr/bin/meson", os.X_OK) else "meson"


def options_of(build: Path) -> list[str]:
    found = json.loads(_run([_meson(), "introspect", "--buildoptions", str(build)]))
    values = {option["name"]: option["value"] for option in found}
    return [
        f"-D{name}={json.dumps(value) if isinstance(value, list) else str(value)}"
        for name, value in values.items()
        if name in OPTIONS
    ]


def compilers_of(build: Path) -> dict[str, str]:
    """CC and CXX as the build had them."""
    names = {"c": "CC", "cpp": "CXX"}
    return {
        names[sources["language"]]: " ".join(sources["compiler"])
        for target in json.loads(_run([_meson(), "introspect", "--targets", str(build)]))
        for sources in target["target_sources"]
        if sources["language"] in names
    }


def _build_path(root: Path, worktree: Path, build: Path) -> Path:
    """Inside of the worktree where the new program's is inside of its own."""
    if build.is_relative_to(root):
        return worktree / build.relative_to(root)
    return path_of_length(len(str(build)), Path(tempfile.gettempdir()).resolve())


@contextmanager
def built(root: Path, rev: str, like: Path) -> Iterator[Path]:
    """The program of that revision, built with the options of the one that it is like."""
    build = build_of(like)
    if build is None:
        raise ProgramError(f"{plain(like)}: its build directory is not there to build alike")
    git = ["git", "-C", str(root)]
    if rev.startswith("-"):
        raise ProgramError(f"{plain(rev)}: not a revision")
    try:
        words = [*git, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}"]
        commit = _run(words).strip()
    except ProgramError:
        raise ProgramError(f"{plain(rev, 100)}: no such revision in {plain(root)}") from None
    worktree = path_of_length(len(str(root)), Path(tempfile.gettempdir()).resolve())
    there = _build_path(root, worktree, build)
    try:
        _run([*git, "worktree", "add", "--detach", "--quiet", str(worktree), commit])
        if os.isatty(sys.stderr.fileno()):
            sys.stderr.write(f"building {plain(rev)} ({commit[:12]})\n")
        environment = {**os.environ, **compilers_of(build)}
        _run([_meson(), "setup", *options_of(build), "-Dpeers=disabled", str(there),
              str(worktree)], env=environment)  # fmt: skip
        target = str(like.resolve().relative_to(build))
        _run(["ninja", "-C", str(there), target])
        yield there / target
    finally:
        if there.exists() and not there.is_relative_to(worktree):
            shutil.rmtree(there, ignore_errors=True)
        subprocess.run([*git, "worktree", "remove", "--force", str(worktree)],
                       capture_output=True, check=False)  # fmt: skip
        shutil.rmtree(worktree, ignore_errors=True)
        subprocess.run([*git, "worktree", "prune"], capture_output=True, check=False)
