"""The papers' programs run on a few images, and what they claim can be read."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from math import inf, isfinite
from pathlib import Path
from typing import Any

import pytest
from papers.check import contradicted, named_tests, program
from papers.claims import Rule, Verdict, claim, judge
from papers.intervals import Estimate

import respike
from papers import claims

PAPERS = Path(__file__).parents[2] / "papers"


CLAIM = claim(
    "a-b", "Figure 1", 'says "most"', "98.50 %", Estimate(97.0, 96.5, 97.5), Rule.AT_LEAST, 98.0, images=100, steps=64,
    reason="back\\slash, Köln", unit=" %",
)  # fmt: skip
UNKNOWN = replace(CLAIM, id="unknown", low=-inf, high=inf)


def test_claims_survive_writing(tmp_path: Path) -> None:
    """TOML gives back what was written, quotes, infinities and all."""
    claims.write(tmp_path / "claims.toml", "A paper", [CLAIM, UNKNOWN])
    assert claims.read(tmp_path / "claims.toml") == [CLAIM, UNKNOWN]


def test_table_is_written_into_the_readme(tmp_path: Path) -> None:
    """The table is replaced, the text around it stays."""
    source = tmp_path / "README.md"
    source.write_text(f"before\n{claims.START}\nreplaced\n{claims.END}\nafter\n")
    claims.write_readme(source, source, [CLAIM])
    text = source.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "replaced" not in text
    assert "| 98.50 % | 97 % [96.50, 97.50] | at least 98 | 100 | 64 | **does not hold** |" in text
    assert "1 rows: 1 does not hold." in text
    assert "back\\slash" in text


@pytest.mark.parametrize(
    ("rule", "holds", "fails", "open_"),
    [
        (Rule.AT_LEAST, (1.0, 2.0), (0.0, 0.9), (0.9, 1.1)),
        (Rule.AT_MOST, (0.0, 1.0), (1.1, 2.0), (0.9, 1.1)),
        (Rule.EQUAL, (1.0, 1.0), (1.1, 2.0), (0.9, 1.1)),
    ],
)
def test_every_rule_can_hold_fail_and_be_left_open(
    rule: Rule, holds: tuple[float, float], fails: tuple[float, float], open_: tuple[float, float]
) -> None:
    """With a bound of 1: the whole interval on the right side, the wrong one, or both."""
    for (low, high), verdict in ((holds, Verdict.HOLDS), (fails, Verdict.FAILS), (open_, Verdict.UNDECIDED)):
        assert judge(Estimate((low + high) / 2, low, high), rule, 1.0) is verdict


def test_what_has_no_rule_is_only_measured() -> None:
    assert judge(Estimate.exactly(5.0), Rule.NONE, 0.0) is Verdict.MEASURED
    assert set(Rule) == {Rule.AT_LEAST, Rule.AT_MOST, Rule.EQUAL, Rule.NONE}


def test_what_fails_gets_its_tested_cause_or_says_that_there_is_none() -> None:
    other = replace(CLAIM, id="other", reason="")
    holds = replace(CLAIM, id="holds", low=98.0, reason="")
    found = claims.explained([CLAIM, other, holds], {"a-b": "Tested: the bias."})
    assert [one.reason for one in found] == ["Tested: the bias. back\\slash, Köln", claims.UNTESTED, ""]


@pytest.mark.parametrize("paper", ["fit", "diehl2015", "few_spikes", "ecc"])
def test_published_claims(paper: str) -> None:
    """Every claim is whole, has a name of its own and the verdict that follows, and says why where it does not hold."""
    text = (PAPERS / paper / "claims.toml").read_text("utf-8")
    found = claims.read(PAPERS / paper / "claims.toml")
    assert len({one.id for one in found}) == len(found) > 10
    assert [entry["verdict"] for entry in tomllib.loads(text)["claim"]] == [one.verdict for one in found]
    assert "Not explained" not in text
    for one in found:
        assert one.source
        assert one.claim
        assert one.low <= one.value <= one.high or one.images == 0
        assert one.images >= 0  # none for what is counted or proven
        assert one.verdict is not Verdict.FAILS or one.reason, one.id


@pytest.mark.parametrize("paper", ["fit", "diehl2015", "few_spikes", "ecc"])
def test_every_published_claim_could_have_failed(paper: str) -> None:
    """For each claim that is counted there are measurements that would have refuted it."""
    for one in claims.read(PAPERS / paper / "claims.toml"):
        if one.rule is Rule.NONE:
            assert one.verdict is Verdict.MEASURED
            continue
        assert isfinite(one.bound), one.id
        worse = one.bound - 1 if one.rule is Rule.AT_LEAST else one.bound + 1
        assert judge(Estimate.exactly(worse), one.rule, one.bound) is Verdict.FAILS, one.id
        assert judge(Estimate.exactly(one.bound), one.rule, one.bound) is Verdict.HOLDS, one.id


@pytest.mark.parametrize("paper", ["fit", "diehl2015", "few_spikes", "ecc"])
def test_published_readme_shows_the_claims(paper: str) -> None:
    """The README's table is that of claims.toml, and its pictures are there."""
    text = (PAPERS / paper / "README.md").read_text()
    assert claims.table(claims.read(PAPERS / paper / "claims.toml")) in text
    for picture in (PAPERS / paper / "figures").glob("*.png"):
        assert f"(figures/{picture.name})" in text
        assert picture.stat().st_size < 150_000


def test_fit_on_a_few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole program runs; a second run reads what the first has kept."""
    fit = program("fit")
    monkeypatch.setattr(fit, "STEPS", 6)
    monkeypatch.setattr(fit, "EARLY", 3)
    arguments = ["--limit", "8", "--network", "mnist-cnn", "--out", str(tmp_path)]
    assert fit.main(arguments) == 0
    first = claims.read(tmp_path / "claims.toml")
    assert {claim.source for claim in first} == {"Section V", "ours", *(f"Figure {number}" for number in range(1, 6))}
    assert all(claim.images == 8 for claim in first)
    assert len(list((tmp_path / "figures").glob("*.png"))) == 5
    monkeypatch.setattr(respike, "measure", None)
    assert fit.main(arguments) == 0
    assert claims.read(tmp_path / "claims.toml") == first


def test_diehl_on_a_few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole program runs on the embedded images."""
    diehl = program("diehl2015")
    monkeypatch.setattr(diehl, "LONG", 30)
    monkeypatch.setattr(diehl, "trained", lambda bench, subject: (0.99, 60_000))
    arguments = ["--limit", "8", "--long-limit", "3", "--network", "mnist-cnn-diehl", "--out", str(tmp_path)]
    assert diehl.main(arguments) == 0
    found = {claim.id: claim for claim in claims.read(tmp_path / "claims.toml")}
    assert found["mnist-cnn-diehl-model"].images == 3
    assert found["mnist-cnn-diehl-model"].steps == 30
    assert (tmp_path / "figures" / "figure3.png").exists()


def test_an_interrupt_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After Ctrl-C, finished results lie there whole, and nothing is claimed."""
    fit = program("fit")
    measure = respike.measure

    def interrupted(spiking: Any, *arguments: Any, **options: Any) -> Any:
        if spiking.plan.method == "direct_copy":
            raise KeyboardInterrupt
        return measure(spiking, *arguments, **options)

    monkeypatch.setattr(fit, "STEPS", 6)
    monkeypatch.setattr(fit, "EARLY", 3)
    monkeypatch.setattr(respike, "measure", interrupted)
    assert fit.main(["--limit", "8", "--network", "mnist-cnn", "--out", str(tmp_path)]) == 130
    assert "run again" in capsys.readouterr().out
    assert not (tmp_path / "claims.toml").exists()
    kept = json.loads((tmp_path / "results" / "mnist-cnn.fit-paper.json").read_text())
    assert kept["result"]["report"]["images"] == 8
    assert kept["result"]["report"]["complete"]


def test_a_contradiction_is_found_among_decided_claims_only() -> None:
    fails = CLAIM
    holds = replace(CLAIM, low=98.0, value=99.0, high=99.5)
    undecided = replace(CLAIM, high=99.0)
    assert contradicted([holds], [fails]) == ["a-b"]
    assert contradicted([fails], [holds]) == ["a-b"]
    assert (
        contradicted([holds], [holds]) == contradicted([holds], [undecided]) == contradicted([undecided], [fails]) == []
    )


def test_the_check_executes_the_tests_of_the_features_page() -> None:
    named = named_tests()
    assert len(named) > 25
    assert "tests/laws/test_few_spikes.py::test_a_population_rounds_down_exactly" in named
