# SPDX-License-Identifier: MIT
"""Finds a Python that has what the scripts import.

A Python managed outside the distribution may come first on PATH and lack Debian's numpy.
The commands call ensure() before they import anything else; it re-executes the command
under /usr/bin/python3 when the running interpreter lacks a module, once. Only the
standard library may be imported here. Meson asks the same of the interpreter that it
configures.
"""
import importlib.util
import os
import sys

NEEDED = ("numpy", "scipy", "matplotlib", "jinja2", "jsonschema")
FALLBACK = "/usr/bin/python3"
TRIED = "COROBENCH_PYTHON_TRIED"


def missing_modules() -> list[str]:
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def ensure() -> None:
    missing = missing_modules()
    if not missing:
        return
    if TRIED not in os.environ and os.access(FALLBACK, os.X_OK):
        os.environ[TRIED] = "1"
        os.execv(FALLBACK, [FALLBACK, *sys.argv])
    packages = " ".join(f"python3-{name}" for name in missing)
    command = os.path.basename(sys.argv[0])
    sys.stderr.write(
        f"{command}: {sys.executable} lacks {', '.join(missing)}; "
        f"on Debian: apt-get install {packages}\n"
    )
    raise SystemExit(1)
