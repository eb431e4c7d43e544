"""The papers' programs run on a few images, and what they claim can be read."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from papers.claims import Claim

import respike
from papers import claims

PAPERS = Path(__file__).parents[2] / "papers"


def program(paper: str) -> Any:
    """The program of a paper, as a module."""
    spec = importlib.util.spec_from_file_location(f"{paper}_run", PAPERS / paper / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CLAIM = Claim("a-b", "Figure 1", 'says "most"', 98.5, "97.00 %", 100, 64, 0.1, False, "back\\slash, Köln")


def test_claims_survive_writing(tmp_path: Path) -> None:
    """TOML gives back what was written, quotes and all."""
    claims.write(tmp_path / "claims.toml", "A paper", [CLAIM, CLAIM])
    assert claims.read(tmp_path / "claims.toml") == [CLAIM, CLAIM]


def test_table_is_written_into_the_readme(tmp_path: Path) -> None:
    """The table is replaced, the text around it stays."""
    source = tmp_path / "README.md"
    source.write_text(f"before\n{claims.START}\nreplaced\n{claims.END}\nafter\n")
    claims.write_readme(source, source, [CLAIM])
    text = source.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "replaced" not in text
    assert "| 98.50 % | 97.00 % | 100 | 64 | **no** |" in text
    assert "back\\slash" in text


@pytest.mark.parametrize("paper", ["fit", "diehl2015", "few_spikes", "ecc"])
def test_published_claims(paper: str) -> None:
    """Every claim is whole, has a name of its own, and says why where it does not hold."""
    found = claims.read(PAPERS / paper / "claims.toml")
    assert len({claim.id for claim in found}) == len(found) > 10
    for claim in found:
        assert claim.source
        assert claim.claim
        assert claim.images >= 0  # none for what is counted or proven
        assert claim.holds or claim.reason, claim.id


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
    arguments = ["--limit", "8", "--network", "mnist-cnn", "--out", str(tmp_path)]
    assert fit.main(arguments) == 0
    first = claims.read(tmp_path / "claims.toml")
    assert {claim.source for claim in first} == {"Section V", *(f"Figure {number}" for number in range(1, 6))}
    assert all(claim.images == 8 for claim in first)
    assert len(list((tmp_path / "figures").glob("*.png"))) == 5
    monkeypatch.setattr(respike, "measure", None)
    assert fit.main(arguments) == 0
    assert claims.read(tmp_path / "claims.toml") == first


def test_diehl_on_a_few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole program runs on the embedded images."""
    diehl = program("diehl2015")
    monkeypatch.setattr(diehl, "LONG", 30)
    monkeypatch.setattr(diehl, "SHORT", 10)
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
    monkeypatch.setattr(respike, "measure", interrupted)
    assert fit.main(["--limit", "8", "--network", "mnist-cnn", "--out", str(tmp_path)]) == 130
    assert "run again" in capsys.readouterr().out
    assert not (tmp_path / "claims.toml").exists()
    kept = json.loads((tmp_path / "results" / "mnist-cnn.fit-paper.json").read_text())
    assert kept["result"]["images"] == 8
    assert kept["result"]["complete"]
