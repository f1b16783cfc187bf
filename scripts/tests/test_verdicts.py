# SPDX-License-Identifier: MIT
import unittest

from corobench import ledger
from corobench.blocks import Paragraph
from corobench.claims import CONFIRMED, NOT_TESTABLE, REFUTED, Claim, read_claims
from corobench.verdicts import Ruling, judge
from tests.claim_records import ROWS, Row, names, records, row
from tests.helpers import ScratchTest
from tests.synthetic import Record, metric

CLAIMS = {claim.id: claim for claim in read_claims().claims}


def words(ruling: Ruling) -> str:
    return "; ".join("".join(why) for why in ruling.missing)


class VerdictTest(ScratchTest):
    def judge(self, claim: Claim, found: list[Record]) -> Ruling:
        return judge(claim, self.dataset(found))

    def ruling(self, name: str, figures: Row, rounds: int = 8) -> Ruling:
        return self.judge(CLAIMS[name], records(CLAIMS[name], figures, rounds))


class EachClaim(VerdictTest):
    def test_records_for_every_outcome(self) -> None:
        """Those that confirm, those that refute, and whatever else the claim may be: an outcome
        that no figures lead to would be a sentence that nobody can ever read."""
        self.assertEqual(set(ROWS), set(CLAIMS))
        for claim in CLAIMS.values():
            self.assertLessEqual({CONFIRMED, REFUTED}, set(ROWS[claim.id]))
            reached = set()
            for verdict in ROWS[claim.id]:
                with self.subTest(claim.id, verdict=verdict):
                    found = self.ruling(claim.id, row(claim, verdict))
                    self.assertEqual(found.verdict, verdict, found.because)
                    self.assertIsNotNone(found.deciding)
                    reached.add(found.because)
            with self.subTest(claim.id):
                self.assertEqual(reached, {one.because for one in claim.outcomes})

    def test_each_missing_case_is_named(self) -> None:
        for claim in CLAIMS.values():
            whole = records(claim, row(claim, CONFIRMED))
            needed = {
                alias
                for figure in claim.figures.values()
                for alias, _ in figure.operands
                if not figure.optional and alias in claim.cases
            }
            for alias in needed:
                gone = set(names(claim, alias, 3))
                rest = [one for one in whole if one.get("case") not in gone]
                with self.subTest(claim.id, alias=alias):
                    found = self.judge(claim, rest)
                    self.assertEqual(found.verdict, NOT_TESTABLE)
                    self.assertIn(claim.cases[alias][0], words(found))


class Reasons(VerdictTest):
    CASE = "switch/pthread-futex/place=same-cpu"

    def test_a_skip_and_a_null_give_theirs(self) -> None:
        whole = records(CLAIMS["C12"], row(CLAIMS["C12"], REFUTED))
        null = metric(None, "ns/op", "clock", "no clock here")
        table: tuple[tuple[Record, str], ...] = (
            ({"metrics": {}, "skipped": "no futex here"}, f"{self.CASE}: no futex here"),
            ({"metrics": {}, "error": "it broke"}, f"{self.CASE}: it broke"),
            ({"metrics": {"ns": null}}, f"ns of {self.CASE}: no clock here"),
        )
        for changes, says in table:
            found = self.judge(
                CLAIMS["C12"],
                [one | changes if one.get("case") == self.CASE else one for one in whole],
            )
            self.assertEqual(found.verdict, NOT_TESTABLE)
            self.assertIn(says, words(found))

    def test_an_interval_across_a_bound_is_too_close_to_call(self) -> None:
        figures = row(CLAIMS["C12"], CONFIRMED)
        whole = records(CLAIMS["C12"], figures)
        for one in whole[1:]:
            if one["case"].startswith("ablation") and one["round"] % 2:
                one["metrics"]["ns"]["value"] /= 3
        found = self.judge(CLAIMS["C12"], whole)
        self.assertEqual(found.verdict, NOT_TESTABLE)
        said = [
            "".join(block.parts)
            for block in ledger.section(found, (), self.dataset(whole), {}).blocks
            if isinstance(block, Paragraph)
        ]
        self.assertIn(
            "Verdict: NOT TESTABLE HERE. Too close to call: over the interval of share, "
            "60 % (30 % to 90 %), the rule of CONFIRMED, share >= 0.5, holds at one end and "
            "fails at the other.",
            said,
        )

    def test_one_bad_round_of_many_is_not_outvoted(self) -> None:
        """What must never happen is summed over rounds: no median hides it."""
        whole = records(CLAIMS["C1"], row(CLAIMS["C1"], CONFIRMED), rounds=20)
        whole[-1]["metrics"]["broken"]["value"] = 1.0
        self.assertEqual(self.judge(CLAIMS["C1"], whole).verdict, REFUTED)

    def test_a_bad_round_counts_though_another_case_lacks_it(self) -> None:
        whole = records(CLAIMS["C1"], row(CLAIMS["C1"], CONFIRMED), rounds=20)
        whole[-1]["metrics"]["broken"]["value"] = 1.0
        del whole[-2]
        self.assertEqual(self.judge(CLAIMS["C1"], whole).verdict, REFUTED)


    def test_a_total_counts_each_trial_once(self) -> None:
        """A case of one round is not counted again in each of the others."""
        claim = CLAIMS["C1"]
        once = names(claim, "rules", 2)[1]
        whole = [
            one
            for one in records(claim, row(claim, CONFIRMED))
            if one.get("case") != once or one["round"] == 3
        ]
        found = self.judge(claim, whole).found["played"]
        self.assertEqual(found.span.high, 8 * 500 + 600)
        self.assertEqual(found.estimate.n, 8)

    def test_a_bad_round_counts_though_it_has_no_other_case(self) -> None:
        claim = CLAIMS["C3"]
        bad = names(claim, "order", 1)[0]
        whole = [
            one
            for one in records(claim, row(claim, CONFIRMED))
            if "case" not in one or (one["case"] == bad) == (one["round"] == 8)
        ]
        whole[-1]["metrics"]["broken"]["value"] = 1.0
        self.assertEqual(self.judge(claim, whole).found["unsafe"].span.high, 1)


class Figures(VerdictTest):
    def test_rounds_are_paired(self) -> None:
        """A machine that doubles its speed half-way does not widen a ratio."""
        whole = records(CLAIMS["C14"], row(CLAIMS["C14"], CONFIRMED))
        for one in whole[1:]:
            one["metrics"]["ns"]["value"] *= 1 + one["round"]
        found = self.judge(CLAIMS["C14"], whole).found["flow_deep"]
        self.assertAlmostEqual(found.span.low, found.span.high)
        self.assertEqual(found.estimate.n, 8)

    def test_a_count_of_one_round_enters_all(self) -> None:
        whole = records(CLAIMS["C11"], row(CLAIMS["C11"], CONFIRMED))
        for one in whole[1:]:
            if one["round"] > 1:
                one["metrics"].pop("bytes_stored", None)
        found = self.judge(CLAIMS["C11"], whole)
        self.assertEqual(found.verdict, CONFIRMED)
        self.assertTrue(found.found["spilled"].exact)
        self.assertFalse(found.found["spill"].exact)

    def test_few_rounds_stand_with_their_whole_range(self) -> None:
        whole = records(CLAIMS["C12"], row(CLAIMS["C12"], REFUTED), rounds=3)
        for one in whole[1:]:
            one["metrics"]["ns"]["value"] += one["round"] * one["case"].startswith("abl")
        found = self.judge(CLAIMS["C12"], whole)
        self.assertEqual(found.verdict, REFUTED)
        self.assertIsNone(found.found["share"].estimate.low)
        self.assertEqual(found.found["share"].estimate.n, 3)

    def test_the_first_alternative_that_ran_is_taken(self) -> None:
        claim = CLAIMS["C15"]
        whole = records(claim, row(claim, REFUTED))
        second = claim.cases["thread"][1]
        found = self.judge(
            claim, [one | {"case": second} if "case" in one else one for one in whole]
        )
        self.assertEqual(found.cases["thread"][0].name, second)
        self.assertEqual(found.verdict, REFUTED)

    def test_the_price_of_a_lock_is_of_one_placement(self) -> None:
        claim = CLAIMS["C17"]
        for verdict in (CONFIRMED, REFUTED):
            for place in ("same-llc", "cross-llc", "cross-numa", "smt"):
                whole = records(claim, row(claim, verdict))
                far = [
                    one | {"case": one["case"].replace("same-llc", place)}
                    for one in whole[1:]
                ]
                near = [
                    one | {"case": one["case"].replace("same-llc", "same-cpu")}
                    for one in whole[1:]
                    if "=none" in one["case"]
                ]
                found = self.judge(claim, [whole[0], *far, *near])
                self.assertEqual(found.verdict, verdict)
                for several in found.cases.values():
                    self.assertEqual([one.name.split("=")[-1] for one in several], [place])


if __name__ == "__main__":
    unittest.main()
