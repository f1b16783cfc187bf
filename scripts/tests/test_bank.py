# SPDX-License-Identifier: MIT
import unittest

from corobench import bank
from corobench.blocks import Table
from tests.helpers import ScratchTest
from tests.synthetic import Generator, Record


class Matrix(ScratchTest):
    def setUp(self) -> None:
        super().setUp()
        self.data = self.dataset(Generator(rounds=6, scatter=0.0).records())

    def test_one_table_for_each_pause_with_a_column_for_each_schedule(self) -> None:
        tables = [one for one in bank.tables(self.data) if isinstance(one, Table)]
        self.assertEqual(len(tables), 2)
        rows = {row[0]: dict(zip(tables[0].headers, row)) for row in tables[0].rows}
        self.assertEqual(rows["none"]["one worker"], "6.00 ns")
        self.assertEqual(rows["none"]["two workers, same-llc"], "7.00 ns, 44 % lost")
        self.assertEqual(rows["none"]["pthreads, same-llc"], "730 ns, 0.3 % lost")
        self.assertEqual(rows["coro-mutex"]["two workers, same-llc"], "–")

    def test_a_deadlock_is_a_finding(self) -> None:
        found = bank.cells(self.data)["nobody sleeps"]
        self.assertEqual(
            found[("mutex", "one worker, yields inside updates")], bank.DEADLOCK
        )
        self.assertNotIn(
            "mutex", [protection for protection, _ in bank.drawn(self.data)]
        )

    def test_threads_that_sleep_are_no_deadlock(self) -> None:
        def skipped(subject: str) -> Record:
            name = f"bank/{subject}/protection=mutex/sleep=1ms/held=across/place=same-llc"
            return Generator().trial(name, 1, {}, skipped="deadlock: all wait", ops=0)

        self.assertEqual(bank.cells(self.dataset([skipped("pthread")])), {})
        found = bank.cells(self.dataset([skipped("coro")]))
        self.assertEqual([*found["each sleeps 1ms, locks held across"].values()], ["deadlock"])

    def test_no_bank_no_tables(self) -> None:
        self.assertEqual(bank.tables(self.dataset([])), [])
        self.assertEqual(bank.drawn(self.dataset([])), {})


if __name__ == "__main__":
    unittest.main()
