#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh MODEL.pml: proves the model with Spin, and that Spin finds the planted error (-DBROKEN).
set -eu
command -v spin >/dev/null || { echo "no spin: not checked"; exit 77; }
model=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

verify() {
    spin "$@" -a "$model"
    "${CC:-cc}" -O2 -DSAFETY -w -o pan pan.c
    ./pan -m1000000 >report
    grep -q "errors: 0" report && ! grep -q "search depth too small" report
}

verify || { cat report; echo "$1: does not hold"; exit 1; }
grep "states, stored" report
! verify -DBROKEN || { echo "$1: the planted error was not found"; exit 1; }
