# SPDX-License-Identifier: MIT
"""scripts/stack-usage on small programs: what it must say of each is known, and one of them measures
itself."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOL = Path(__file__).resolve().parents[1] / "stack-usage"

CALLS = """
int elsewhere(int);
int puts(const char *);
static __attribute__((noinline)) int helper(int x) { volatile char b[500]; b[0] = x; return b[0]; }
static __attribute__((noinline)) int shallow(int x) { volatile char b[300]; b[0] = x; return b[0]; }
int entry(int x) { volatile char b[1000]; b[0] = x; return helper(x) + shallow(x) + b[0]; }
int far(int x) { volatile char b[200]; b[0] = x; return elsewhere(x) + b[0]; }
__attribute__((noinline)) int odd(int n);
__attribute__((noinline)) int even(int n) { volatile char b[40]; b[0] = n; return n ? odd(n - 1) + b[0] : 0; }
__attribute__((noinline)) int odd(int n) { volatile char b[40]; b[0] = n; return n ? even(n - 1) + b[0] : 1; }
int through(int (*f)(int)) { volatile char b[40]; b[0] = 1; return f(2) + b[0]; }
int room(int n) { volatile char *b = __builtin_alloca(n); b[0] = 1; return helper(b[0]) + 1; }
int says(int n) { volatile char b[40]; b[0] = n; return puts("x") + b[0]; }
"""
ELSEWHERE = """
static __attribute__((noinline)) int helper(int x) { volatile char b[5000]; b[0] = x; return b[0]; }
int elsewhere(int x) { return helper(x) + 1; }
"""
# Runs entry on a stack that was filled, and prints how much of it changed.
MEASURE = """
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
int entry(int x);
static unsigned char stack[65536] __attribute__((aligned(64)));
static ucontext_t home, flow;
static void run(void) { entry(1); }
int main(void)
{
    size_t low = 0;
    memset(stack, 0x5a, sizeof stack);
    getcontext(&flow);
    flow.uc_stack.ss_sp = stack;
    flow.uc_stack.ss_size = sizeof stack;
    flow.uc_link = &home;
    makecontext(&flow, run, 0);
    swapcontext(&home, &flow);
    while (low < sizeof stack && stack[low] == 0x5a)
        low++;
    printf("%zu\\n", sizeof stack - low);
    return 0;
}
"""
FULL = """
int leaf(int x);
__attribute__((noinline)) int middle(int x)
{
    volatile char b[3000];
    for (int i = 0; i < 3000; i++)
        b[i] = x;
    return leaf(x) + b[7];
}
int entry(int x) { volatile char b[100]; b[0] = x; return middle(x) + b[0]; }
"""
LEAF = """
int leaf(int x)
{
    volatile char b[700];
    for (int i = 0; i < 700; i++)
        b[i] = x;
    return b[9];
}
"""


def takes_callgraph(compiler: str) -> bool:
    """gcc 10 or newer."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.c").write_text("int a;\n", encoding="utf-8")
        return subprocess.run([compiler, "-c", "-fcallgraph-info=su", "a.c"], cwd=folder,
                              capture_output=True, check=False).returncode == 0


GCC = next((found for name in ("gcc", "cc") if (found := shutil.which(name))
            and takes_callgraph(found)), None)


@unittest.skipIf(GCC is None, "no gcc with -fcallgraph-info")
class StackUsage(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def compile(self, **sources: str) -> None:
        for name, text in sources.items():
            (self.folder / f"{name}.c").write_text(text, encoding="utf-8")
            subprocess.run([str(GCC), "-O2", "-c", "-fcallgraph-info=su", f"{name}.c"],
                           cwd=self.folder, check=True)

    def ask(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-B", str(TOOL), str(self.folder), *arguments],
                              capture_output=True, text=True, check=False,
                              env={**os.environ, "COLUMNS": "100"})
        return done.returncode, done.stdout + done.stderr

    def bound(self, text: str) -> int:
        found = re.search(r": (?:at most|no bound; at least) (\d+) bytes", text)
        self.assertIsNotNone(found, text)
        return int(found[1]) if found else 0

    def test_the_deepest_way_counts_and_names_its_functions(self) -> None:
        self.compile(calls=CALLS)
        code, text = self.ask("--entry", "entry")
        self.assertEqual(code, 0, text)
        self.assertTrue(1500 <= self.bound(text) <= 1800, text)
        self.assertIn("helper (calls.c:", text)
        self.assertNotIn("shallow", text)

    def test_static_functions_of_two_files_are_told_apart(self) -> None:
        self.compile(calls=CALLS, elsewhere=ELSEWHERE)
        code, text = self.ask("--entry", "far")
        self.assertEqual(code, 0, text)
        self.assertTrue(5200 <= self.bound(text) <= 5500, text)
        self.assertIn("helper (elsewhere.c:", text)

    def test_it_says_where_there_is_no_bound(self) -> None:
        self.compile(calls=CALLS)
        for entry, reason in {"odd": "recursion: even and odd",
                              "through": "a call through a pointer: in through",
                              "room": "a frame of unknown size: room",
                              "says": "not compiled here: puts, called by says",
                              "far": "not compiled here: elsewhere, called by far"}.items():
            code, text = self.ask("--entry", entry)
            self.assertEqual(code, 4, text)
            self.assertIn("no bound; at least", text)
            self.assertIn(reason, text)

    def test_what_the_user_knows_closes_the_gaps(self) -> None:
        self.compile(calls=CALLS)
        _, before = self.ask("--entry", "says")
        code, text = self.ask("--entry", "says", "--assume", "puts=1000")
        self.assertEqual((code, self.bound(text)), (0, self.bound(before) + 1000), text)
        code, text = self.ask("--entry", "through", "--indirect", "through=entry,helper")
        self.assertEqual(code, 0, text)
        self.assertTrue(1540 <= self.bound(text) <= 1900, text)
        code, text = self.ask("--entry", "odd", "--assume", "even=5000")
        self.assertEqual(code, 0, text)
        self.assertTrue(5000 < self.bound(text) < 5300, text)

    def test_a_run_stays_within_the_bound_and_comes_near(self) -> None:
        self.compile(full=FULL, leaf=LEAF, measure=MEASURE)
        subprocess.run([str(GCC), "full.o", "leaf.o", "measure.o", "-o", "measure"],
                       cwd=self.folder, check=True)
        used = int(subprocess.run([self.folder / "measure"], capture_output=True, text=True,
                                  check=True).stdout)
        code, text = self.ask("--entry", "run", "--red-zone", "0")
        self.assertEqual(code, 0, text)
        without = self.bound(text)
        self.assertLessEqual(used, self.bound(self.ask("--entry", "run")[1]) + 64)  # makecontext's
        self.assertGreater(used, without - 200)

    def test_an_entry_or_a_graph_that_is_not_there_is_an_error(self) -> None:
        self.assertEqual(self.ask("--entry", "x")[0], 1)
        self.compile(calls=CALLS)
        self.assertEqual(self.ask("--entry", "nobody")[0], 1)
        self.assertEqual(self.ask("--entry", "through", "--indirect", "through=nobody")[0], 1)
        self.assertEqual(self.ask()[0], 2)
        self.assertEqual(self.ask("--entry", "entry", "--assume", "puts=much")[0], 2)

    def test_a_graph_of_rubbish_is_read_without_harm(self) -> None:
        (self.folder / "bad.ci").write_bytes(
            b'node: { title: "a\x1b[2J" label: "a\\nx.c:1:1\\n16 bytes (static)" }\n'
            b'edge: { sourcename: "nobody" targetname: "a" }\nnode: {{{\n\xff\xfe\n'
            b'node: { title: "m" label: "m\\nx.c:2:1\\n8 bytes (static)" }\n'
            b'edge: { sourcename: "m" targetname: "a\x1b[2J" }\n')
        code, text = self.ask("--entry", "m", "--red-zone", "0")
        self.assertEqual((code, self.bound(text)), (0, 24), text)
        self.assertNotIn("\x1b", text)


if __name__ == "__main__":
    unittest.main()
