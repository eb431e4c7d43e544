"""A refinement of the user's own works in every command, as does a text after `--refine`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import respike
from respike.cli import conversions
from respike.errors import InvalidOption, UnknownName

OWN = '''
from dataclasses import replace

def gentler(plan, *, factor: float = 0.9, all_layers: bool = True):
    """Lowers every threshold.

    Args:
        factor: by what.
        all_layers: not only the first.
    """
    sites = {
        name: replace(site, threshold=site.threshold * factor, spike_value=site.value * factor)
        for name, site in plan.sites.items()
    }
    return replace(plan, sites=sites)
'''
COMMANDS = """
import sys
from respike import data
from respike.cli import main

load = data.load
data.load = lambda name, split, *more: load(name, "test" if split == "train" else split, *more)

def run(*words):
    assert main(list(words)) == 0, words

refine = ("--refine", "initial_potential,mine:gentler=0.8:all_layers=off,correct_biases=64")
convert = ("--method", "max_norm", "--steps", "8", *refine)
run("refinements", "mine:gentler")
run("evaluate", "mnist-mlp", *convert, "--limit", "20", "--json", "report.json")
run("compare", "mnist-mlp", "--methods", "max_norm,direct_copy", "--steps", "8", *refine, "--limit", "20")
run("diagnose", "mnist-mlp", *convert, "--limit", "20", "--json", "diagnosis.json")
run("report", "mnist-mlp", "--methods", "max_norm", "--steps", "8", *refine, "--limit", "20", "--out", "page.html")
run("convert", "mnist-mlp", *convert, "--out", "net.respike")
search = ("--images", "20", "--longest", "8", "--trials", "1", "--storage", "study.db")
run("tune", "mnist-mlp", "--methods", "max_norm", *search, *refine)
run("convert", "mnist-mlp", "--from-study", "study.db", *refine, "--out", "tuned.respike")
assert main(["convert", "mnist-mlp", "--from-study", "study.db", "--out", "other.respike"]) == 2
"""


def test_in_every_command(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed")
    (tmp_path / "mine.py").write_text(OWN)
    environment = os.environ | {"PYTHONPATH": str(Path(respike.__file__).parents[1]), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    title = "max_norm + initial_potential + gentler + correct_biases"
    options = (
        "initial_potential(share=0.5), gentler(factor=0.8, all_layers=False), "
        "correct_biases(images=64, each_step=False)"
    )
    assert title in done.stdout
    assert "has refined plans by initial_potential" in done.stderr
    assert ":factor=X" in done.stdout
    for name in ("report.json", "diagnosis.json"):
        content = json.loads((tmp_path / name).read_text())
        assert (content["method"], content["options"]["refine"]) == (title, options)
    assert title in (tmp_path / "page.html").read_text()
    for name in ("net.respike", "tuned.respike"):
        plan = respike.SpikingNetwork.load(tmp_path / name).plan
        assert (plan.title, plan.settings["refine"]) == (title, options)


def test_what_a_text_means() -> None:
    assert conversions.steps(None) == ()
    steps = conversions.steps("least-squares:per_channel=off, initial_potential=0.25,correct_biases:images=32,signed")
    assert [str(step) for step in steps] == [
        "least_squares(per_channel=False)",
        "initial_potential(share=0.25)",
        "correct_biases(images=32)",
        "signed",
    ]
    for text, message in {
        "least_squares=maybe": "on or off",
        "initial_potential=half": "takes a number",
        "initial_potential:potential=3": "has no option",
        "signed=3": "has no option",
    }.items():
        with pytest.raises(InvalidOption, match=message):
            conversions.steps(text)
    with pytest.raises(UnknownName, match="did you mean 'signed'"):
        conversions.steps("sign")
