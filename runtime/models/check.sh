#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh MODEL.pml: proves the model with Spin, and that Spin finds each error planted in it:
# each N that the model compares with BROKEN (-DBROKEN=N).
set -eu
command -v spin >/dev/null || { echo "no spin: not checked"; exit 77; }
model=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

verify() {
    spin "$@" -a "$model"
    "${CC:-cc}" -O1 -DSAFETY -DCOLLAPSE -w -o pan pan.c
    ./pan -m100000 -w24 >report
    grep -q "errors: 0" report && ! grep -q "search depth too small" report
}

verify || { cat report; echo "$1: does not hold"; exit 1; }
grep "states, stored" report
errors=$(grep -Eo 'BROKEN [!=]= [1-9]' "$model" | tr -dc '1-9\n' | sort -u)
[ -n "$errors" ] || { echo "$1: plants no error"; exit 1; }
for error in $errors; do
    ! verify "-DBROKEN=$error" || { echo "$1: planted error $error was not found"; exit 1; }
    echo "planted error $error: found"
done
