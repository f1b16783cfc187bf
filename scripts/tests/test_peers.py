# SPDX-License-Identifier: MIT
import unittest

from corobench import charts, peers
from corobench.blocks import Paragraph, Table
from corobench.dataset import Dataset
from corobench.style import LIGHT, themed
from tests.helpers import ScratchTest, environment
from tests.synthetic import Generator, Record, contract, metric

COSTS = {
    "yield/coro/flows=2/workers=1/site=diff/place=same-cpu": 4.0,
    "yield/go/flows=2/workers=1/place=same-cpu": 40.0,
    "yield/cxx20/flows=2/workers=1/place=same-cpu": 2.0,
    "yield/go/flows=2/workers=2/place=same-llc": 1.0,
    "switch/ucontext/site=diff/place=same-cpu": 200.0,
    "switch/protocol-ucontext/site=diff/place=same-cpu": 200.5,
    "switch/pthread-futex/place=same-cpu": 2000.0,
    "switch/protocol-pthread-futex/place=same-cpu": 2600.0,
}
TOLD = {
    "go": contract("sp pc", 16, **{}) | {"stack": "its own", "threads": "M:N"},
    "cxx20": contract("the frame", 8) | {"stack": "none: a frame", "threads": "one"},
}


class Peers(ScratchTest):
    def data(self, *more: Record, absent: bool = False) -> Dataset:
        generator = Generator(scatter=0.001)
        told = [{"name": "pth", "status": "absent", "reason": "install libpth-dev"}]
        first = environment(cases=[*COSTS], peers=told if absent else [])
        trials = [
            generator.trial(name, number, generator.cost(ns))
            | {"contract": TOLD.get(name.split("/")[1])}
            for number in range(8)
            for name, ns in COSTS.items()
        ]
        return self.dataset([first, *trials, *more])

    def test_ratios_are_to_the_runtimes_own_case_on_one_cpu(self) -> None:
        ((task, found),) = peers.fields(self.data())
        self.assertEqual(task.heading, "Yield, 2 flows")
        self.assertEqual([one.case.subject for one in found], ["cxx20", "go"])
        self.assertAlmostEqual(found[0].ratio.median, 0.5, 1)
        self.assertAlmostEqual(found[1].ratio.median, 10, 0)
        self.assertEqual([one.ahead for one in found], [True, False])

    def test_who_is_cheaper_is_named_and_nobody_else(self) -> None:
        tables = [b for b in peers.page(self.data()) if isinstance(b, Table)]
        behind = next(t for t in tables if "who is cheaper" in t.headers)
        self.assertEqual([row[1] for row in behind.rows], ["cxx20"])
        self.assertEqual(behind.rows[0][4], "stackless")
        self.assertIn("a smaller service", behind.rows[0][-1])

    def test_the_protocol_agrees_or_does_not(self) -> None:
        tables = [b for b in peers.page(self.data()) if isinstance(b, Table)]
        check = next(t for t in tables if "agree" in t.headers)
        self.assertEqual([row[-1] for row in check.rows], ["yes", "no"])

    def test_what_is_absent_is_named_with_its_reason(self) -> None:
        blocks = peers.page(self.data(absent=True))
        self.assertIsInstance(blocks[0], Paragraph)
        self.assertIn("install libpth-dev", str(vars(blocks[1])))

    def test_a_run_without_others_has_no_section(self) -> None:
        first = environment(peers=[])
        self.assertEqual(peers.page(self.dataset([first])), [])

    def test_weights_by_count_take_the_number_from_the_notes(self) -> None:
        generator = Generator()
        weights = [
            generator.trial(
                f"footprint/erlang/flows={flows}/place=same-cpu",
                0,
                {"resident_bytes": metric(2600.0, "B/flow", "smaps")},
                notes={"flows": f"{flows}, in 8 steps"},
            )
            for flows in (1000, 100)
        ]
        data = self.data(*weights)
        found = peers.weights_by_count(data)
        self.assertEqual([count for count, _ in found["erlang"]], [100, 1000])
        with themed(LIGHT):
            peers.draw_decades(LIGHT, data)

    def test_the_chart_is_drawn(self) -> None:
        chart = next(one for one in charts.CHARTS if one.name == "peers")
        pictures = charts.render(chart, self.data())
        assert pictures is not None
        self.assertIn(b"cxx20", pictures["light"])


if __name__ == "__main__":
    unittest.main()
