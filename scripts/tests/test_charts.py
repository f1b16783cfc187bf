# SPDX-License-Identifier: MIT
import unittest
from xml.etree import ElementTree

from corobench import charts, selection
from corobench.dataset import Dataset
from tests.helpers import HOSTILE, ScratchTest, one_trial
from tests.synthetic import Generator, Record, contract, metric


def chart(name: str) -> charts.Chart:
    return next(one for one in charts.CHARTS if one.name == name)


class Drawing(ScratchTest):
    def words(self, name: str, data: Dataset) -> str:
        pictures = charts.render(chart(name), data)
        assert pictures is not None
        for svg in pictures.values():
            ElementTree.fromstring(svg)
        return " ".join(ElementTree.fromstring(pictures["light"]).itertext())

    def test_every_chart_has_units_and_the_better_end(self) -> None:
        data = self.dataset(Generator(rounds=6).records())
        units = {
            "switch-ratio": "×",
            "footprint": "KiB",
            "context": "KiB",
            "oslevel": "per 10^6",
            "peers": "×",
            "peers-footprint": "KiB",
        }
        for one in charts.CHARTS:
            words = self.words(one.name, data)
            self.assertRegex(words, "(Lower|Left) is better")
            self.assertIn(units.get(one.name, "ns"), words, one.name)

    def test_light_and_dark_differ_in_colours_alone(self) -> None:
        pictures = charts.render(
            chart("depth"), self.dataset(Generator(rounds=6).records())
        )
        assert pictures is not None
        light, dark = (
            ElementTree.fromstring(pictures[name]) for name in ("light", "dark")
        )
        self.assertNotEqual(pictures["light"], pictures["dark"])
        self.assertEqual(list(light.itertext()), list(dark.itertext()))

    def test_no_cases_no_chart(self) -> None:
        data = Dataset([])
        for one in charts.CHARTS:
            self.assertIsNone(charts.render(one, data), one.name)

    def test_one_round_draws_without_whiskers(self) -> None:
        data = self.dataset(Generator(rounds=1).records())
        for one in charts.CHARTS:
            self.words(one.name, data)

    def test_hostile_names_stay_text(self) -> None:
        """Each experiment's first case has hostile subject, parameters and contract."""
        records: list[Record] = Generator(rounds=1).records()
        seen: set[str] = set()
        for record in records:
            if record["kind"] == "trial" and record["experiment"] not in seen:
                seen.add(record["experiment"])
                key = next(iter(record["params"]), "x")
                numeric = record["params"].get(key, "").isdigit()
                record.update(
                    case=record["experiment"] + HOSTILE[:300],
                    subject=HOSTILE,
                    op=HOSTILE,
                    params={key: record["params"].get(key, "x") if numeric else HOSTILE},
                    placement=HOSTILE,
                )
        data = self.dataset(records)
        for one in charts.CHARTS:
            pictures = charts.render(one, data)
            if pictures is not None:
                for svg in pictures.values():
                    tags = {
                        node.tag.split("}")[-1]
                        for node in ElementTree.fromstring(svg).iter()
                    }
                    self.assertFalse(
                        tags & {"script", "img", "image", "foreignObject", "a"}
                    )
                    self.assertNotIn(b"\x1b", svg)
                    self.assertNotIn("\u202e".encode(), svg)

    def test_figures_that_a_log_scale_has_no_place_for(self) -> None:
        """Zero, negative and enormous costs leave the rest of the chart as it was."""
        records = [
            one_trial(
                case=f"switch/s{index}/place=same-cpu",
                subject=f"s{index}",
                metrics={"ns": metric(value, "ns/op", "clock")},
            )
            for index, value in enumerate((0.0, -3.0, 1e24, 1e-24, 5.0))
        ]
        words = self.words("switch-ratio", self.dataset(records))
        self.assertIn("s4", words)
        self.assertNotIn("s1", words)


class Choices(ScratchTest):
    def test_reference_is_the_inline_switch_or_the_cheapest(self) -> None:
        records = Generator(rounds=1).records()
        found = selection.reference(self.dataset(records))
        assert found is not None
        self.assertEqual(found.name, "switch/coro-inline/site=diff/place=same-cpu")
        rest = [one for one in records if one.get("subject") != "coro-inline"]
        found = selection.reference(self.dataset(rest))
        assert found is not None
        self.assertIn(found.subject, ("coro-abi", "coro-abi-ret"))
        self.assertLess(found.median("ns") or 0, 3.2)

    def test_ablation_grows_in_order_and_from_its_parents(self) -> None:
        data = self.dataset(Generator(rounds=1).records())
        steps = selection.ablation_steps(data)
        self.assertEqual(
            [selection.contract_word(step) for step in steps], list(selection.CONTRACTS)
        )
        words = {selection.contract_word(step): step for step in steps}
        self.assertIs(
            selection.ablation_parent(words["sigmask"], steps), words["xsave-clean"]
        )
        few = [words["sp-pc"], words["sigmask"]]
        self.assertIs(selection.ablation_parent(words["sigmask"], few), words["sp-pc"])
        self.assertIsNone(selection.ablation_parent(words["sp-pc"], steps))

    def test_unknown_contract_comes_last_and_has_no_parent(self) -> None:
        records = Generator(rounds=1).records()
        records.insert(
            1,
            one_trial(
                case="ablation/coro/contract=new/place=same-cpu",
                experiment="ablation",
                subject="coro",
                params={"contract": "new"},
                contract=contract("new", 8),
            ),
        )
        steps = selection.ablation_steps(self.dataset(records))
        self.assertEqual(selection.contract_word(steps[-1]), "new")
        self.assertIsNone(selection.ablation_parent(steps[-1], steps))

    def test_a_missing_part_of_a_footprint_is_said(self) -> None:
        data = self.dataset(Generator(rounds=1).records())
        found = {
            case.subject: selection.needed_words(case)
            for case in selection.footprint_cases(data)
        }
        self.assertTrue(found["ucontext"].startswith("≥ "))
        self.assertFalse(found["pthread"].startswith("≥ "))


if __name__ == "__main__":
    unittest.main()
