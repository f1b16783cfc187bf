# SPDX-License-Identifier: MIT
import copy
import tomllib
import unittest
from typing import Any

from corobench.claims import CLAIMS_PATH, ClaimsError, parse_claims, read_claims
from tests.helpers import ScratchTest

RAW = tomllib.loads(CLAIMS_PATH.read_text())


class Committed(unittest.TestCase):
    def test_nineteen_claims_each_with_a_prediction(self) -> None:
        found = read_claims()
        self.assertEqual(
            [claim.id for claim in found.claims], [f"C{n}" for n in range(1, 20)]
        )

    def test_what_was_registered_before_the_run_stays(self) -> None:
        """A prediction that a result made look bad must not quietly improve."""
        registered = dict.fromkeys(
            ("C1", "C5", "C7", "C8", "C9", "C14", "C17", "C18"), "CONFIRMED"
        )
        registered |= dict.fromkeys(
            ("C2", "C3", "C4", "C6", "C10", "C11", "C13", "C16"), "QUALIFIED"
        )
        registered |= dict.fromkeys(("C12", "C15", "C19"), "REFUTED")
        self.assertEqual(
            {claim.id: claim.expected for claim in read_claims().claims}, registered
        )


class Refused(ScratchTest):
    def refused(self, says: str, **changes: Any) -> None:
        raw = copy.deepcopy(RAW)
        raw["claim"][0].update(changes)
        with self.assertRaisesRegex(ClaimsError, says):
            parse_claims(raw)

    def test_names_and_expressions(self) -> None:
        figure = {"value": "total(rules.broken)", "unit": "count", "says": "s"}
        outcomes = RAW["claim"][0]["outcomes"]
        both = {"broken": figure, "played": figure}
        table: tuple[tuple[str, dict[str, Any]], ...] = (
            ("C1: figure broken: no case other", {
                "figures": both | {"broken": figure | {"value": "other.ns"}}}),
            ("C1: .* is no value", {
                "figures": both | {"broken": figure | {"value": "rules"}}}),
            ("C1: deciding: no figure missing", {"deciding": "missing"}),
            ("C1: deciding: broken is optional", {
                "figures": both | {"broken": figure | {"optional": True}}}),
            ("C1: outcome .*: played is no figure", {
                "figures": both | {"played": figure | {"optional": True}}}),
            ("C1: it can't be both", {"outcomes": outcomes[1:]}),
            ("C1: .* is no condition", {
                "outcomes": [outcomes[0] | {"when": "broken"}, *outcomes[1:]]}),
            ("outcomes.0.verdict", {
                "outcomes": [outcomes[0] | {"verdict": "MAYBE"}, *outcomes[1:]]}),
            ("cases.rules", {"cases": {"rules": "no-slash"}}),
            ("claim.0: .*novel", {"novel": 1}),
        )  # fmt: skip
        for says, changes in table:
            with self.subTest(says):
                self.refused(says, **changes)

    def test_one_id_twice(self) -> None:
        self.refused("an id is there twice", id="C2")

    def test_published_beside_a_claim_that_is_none(self) -> None:
        raw = copy.deepcopy(RAW)
        raw["published"][0]["claims"] = ["C99"]
        with self.assertRaisesRegex(ClaimsError, "no claim C99"):
            parse_claims(raw)

    def test_why_by_a_claim_that_is_none(self) -> None:
        with self.assertRaisesRegex(ClaimsError, "why: no claim C99"):
            parse_claims(RAW | {"why": ["C12", "C99"]})

    def test_a_file_that_is_no_toml(self) -> None:
        for content in (b"schema = ", b"\xff", b"schema = 1"):
            with self.assertRaisesRegex(ClaimsError, "claims.toml: "):
                read_claims(self.file(content, name="claims.toml"))


if __name__ == "__main__":
    unittest.main()
