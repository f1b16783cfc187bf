# SPDX-License-Identifier: MIT
"""Runs one checker over the scripts: `lint.py mypy` or `lint.py shellcheck`.

Exit code 77, with the reason, where the checker is not installed: to meson, a skip.
"""
from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1]


def shell_scripts() -> list[str]:
    """Files without a suffix whose first line names a shell."""
    candidates = [
        path
        for folder in (SCRIPTS, SCRIPTS.parent / ".ci")
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]
    return [str(path) for path in candidates if _is_shell(path)]


def _is_shell(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(200)
    return first.startswith(b"#!") and first.split(b"/")[-1].split()[-1] in (
        b"sh",
        b"bash",
    )


def main(tool: str) -> int:
    if shutil.which(tool) is None:
        print(f"{tool} is not installed: skipped")
        return 77
    if tool == "mypy":
        command = ["mypy", "--config-file", "mypy.ini", "corobench", "tests"]
        commands = [
            command,
            *[
                ["mypy", "--config-file", "mypy.ini", "--scripts-are-modules", name]
                for name in ("report", "compare", "selftest", "export", "history", "vm-test",
                             "emulated-count", "stack-usage")
            ],
        ]
    else:
        files = shell_scripts()
        if not files:
            print("there is no shell script: skipped")
            return 77
        commands = [["shellcheck", *files]]
    return max(
        subprocess.run(command, cwd=SCRIPTS, check=False).returncode
        for command in commands
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
