#!/bin/sh
# SPDX-License-Identifier: MIT
#
# valgrind_slope.sh: does Valgrind count the same instructions per op as `corobench count`?
#
#   valgrind_slope.sh PROGRAM CASE [N]
#
# Valgrind counts a whole process. Two runs that differ in nothing but the ops, N and 2N, differ
# in N ops' instructions: that difference over N must equal count's figure, which is taken from
# the same program by single-stepping. Valgrind counts a `rep` once and once more for each
# iteration, count tells them apart: they are added (a scan that ends early is one off).
# Exit code: 0 equal, 1 not, 2 usage, 77 no Valgrind.
#
# Of Valgrind's tools it is cachegrind without the simulation of caches, which counts
# instructions alone. Valgrind's own CPU may lead libc to other variants of its string
# functions, so a case that calls those may differ.

set -eu

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: valgrind_slope.sh PROGRAM CASE [N]" >&2
    exit 2
fi
program=$1
case_name=$2
ops=${3:-1000}

if ! command -v valgrind >/dev/null 2>&1; then
    echo "skipped: no valgrind" >&2
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Instructions of a whole process that does $1 ops.
valgrind_instructions() {
    if ! valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null \
        --log-file="$work/log" "$program" trial "$case_name" --fixed-ops "$1" \
        >"$work/out" 2>"$work/err"; then
        echo "valgrind or the trial failed:" >&2
        cat "$work/err" "$work/out" "$work/log" >&2
        exit 1
    fi
    sed -n 's/.*I *refs: *//p' "$work/log" | tr -d ,
}

# The value of a "per_op" member as an exact fraction in JSON: "21" or "41/2".
exact() {
    sed -n "/\"$1\": {/,/}/s/.*\"exact\": \"\([^\"]*\)\".*/\1/p" "$work/count" | head -n 1
}

"$program" count "$case_name" --ops "$ops" --format json --no-disassembly >"$work/count" ||
    exit $?
instructions=$(exact instructions)
repeats=$(exact rep_iterations)

shorter=$(valgrind_instructions "$ops")
longer=$(valgrind_instructions $((ops * 2)))
difference=$((longer - shorter))

# a/b: with b = 1 where there is no slash
numerator() { echo "${1%%/*}"; }
denominator() { case $1 in */*) echo "${1##*/}" ;; *) echo 1 ;; esac; }
counted=$(($(numerator "$instructions") * ops / $(denominator "$instructions") + \
    $(numerator "$repeats") * ops / $(denominator "$repeats")))

echo "$case_name: $ops ops are $difference instructions by valgrind," \
    "$counted by single-stepping ($instructions per op)"
[ "$difference" -eq "$counted" ]
