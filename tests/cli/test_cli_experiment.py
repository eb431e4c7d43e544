"""`respike run`: a file and a command line say the same."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.running import Runner
from respike.cli.app import COMMANDS
from respike.cli.experiment import Experiment, keys
from respike.errors import InvalidFile

EVALUATE = ("evaluate", "mnist-mlp", "--method", "max_norm", "--steps", "3", "--limit", "16")
FILE = """
command = "evaluate"
network = "mnist-mlp"
method = "max_norm"
steps = 3
limit = 16
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _measured(path: str) -> dict[str, Any]:
    """What a file of results says, but for the time that it took."""
    found: dict[str, Any] = json.loads(Path(path).read_text())
    found.pop("seconds")
    return found


def test_a_file_gives_the_results_of_its_command_line_to_the_bit(respike: Runner) -> None:
    Path("net.toml").write_text(f'{FILE}coding = "bernoulli"\nseed = 7\njson = "file.json"\n')
    assert respike("run", "net.toml").code == 0
    assert respike(*EVALUATE, "--coding", "bernoulli", "--seed", 7, "--json", "line.json").code == 0
    assert _measured("file.json") == _measured("line.json")
    assert respike("run", "net.toml", "--seed", 8, "--json", "other.json").code == 0  # what follows replaces the file's
    assert _measured("other.json") != _measured("line.json")


def test_the_file_beside_a_page_makes_the_page_again(respike: Runner) -> None:
    words = ("--methods", "max_norm,direct_copy:steps=4", "--steps", 3, "--limit", 32, "--no-per-channel")
    assert respike("report", "mnist-mlp", *words, "--out", "one.html").code == 0
    again = respike("run", "one.toml", "--out", "two.html")
    assert again.code == 0
    pages = [
        re.sub(r'"seconds":\s*[-+.e\d]+', "", Path(f"{name}.html").read_text(encoding="utf-8"))
        for name in ("one", "two")
    ]
    assert pages[0] == pages[1]
    assert Path("one.toml").read_text() == Path("two.toml").read_text()
    found = tomllib.loads(Path("one.toml").read_text())
    assert (found["limit"], found["steps"], found["per_channel"]) == (32, 3, False)
    assert "two.html is there already: --force" in respike("run", "one.toml", "--out", "two.html").err
    Path("two.html").unlink()
    assert "two.toml is there already" in respike("run", "one.toml", "--out", "two.html").err


def test_other_versions_are_told(respike: Runner) -> None:
    Path("net.toml").write_text(f'{FILE}\n[made_with]\nrespike = "0.1.0"\n')
    assert "made with respike 0.1.0, and this is" in respike("run", "net.toml").err


def test_the_command_line_of_a_file_is_shown(respike: Runner) -> None:
    Path("net.toml").write_text(f"{FILE}mean = [0.5, 1]\nreset = 'zero'\nforce = true\n")
    shown = respike("run", "net.toml", "--show", "--plot", "a.png").out.strip()
    assert shown == (
        "respike evaluate mnist-mlp --method=max_norm --steps=3 --limit=16 --mean=0.5,1 --reset=zero --force "
        "--plot a.png"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{FILE}imput_steps = 3\n", "net.toml: unknown key of evaluate 'imput_steps': did you mean 'input_steps'?"),
        (FILE.replace("evaluate", "evaluat"), "net.toml: unknown command 'evaluat': did you mean 'evaluate'?"),
        (FILE.replace("evaluate", "run"), "net.toml: unknown command 'run'"),
        (FILE.replace("command", "comand"), 'net.toml does not say what to run: begin it with command = "evaluate"'),
        (f"{FILE}steps = 4\n", "net.toml is no TOML file: Cannot overwrite a value"),
        (f"{FILE}force = 1\n", "net.toml: force is true or false, not 1"),
        (f"{FILE}engine = true\n", "net.toml: engine takes a text, a number, or a list of them without commas"),
        (f"{FILE}classes = ['a,b', 'c']\n", "net.toml: classes takes a text, a number, or a list"),
        (f"{FILE}seed = 1\nseeds = [1, 2]\n", "seeds and seed exclude each other"),
        (f"{FILE}seeds = [1, 1]\n", "net.toml: seeds is a list of two or more whole numbers, all different"),
        (f"{FILE}seeds = 3\n", "net.toml: seeds is a list of two or more whole numbers"),
        (f"{FILE}seeds = [1, 2]\nplot = 'a.png'\n", "plot is for one run: leave it out"),
        (f"{FILE}sed = 1\n", "unknown key of evaluate 'sed': did you mean 'seed'?"),
        ('command = "convert"\nnetwork = "mnist-mlp"\nout = "a.respike"\nseeds = [1, 2]\n', "convert takes one seed"),
        (f"{FILE}percentile = 3\n", "max_norm has no option --percentile: did you mean"),
    ],
)
def test_what_a_file_must_not_say(text: str, told: str, respike: Runner) -> None:
    Path("net.toml").write_text(text)
    outcome = respike("run", "net.toml")
    assert outcome.code == 2
    assert told in outcome.err


def test_several_seeds_are_the_runs_of_each(respike: Runner) -> None:
    Path("net.toml").write_text(f'{FILE}coding = "bernoulli"\nseeds = [7, 8, 9]\njson = "seeds.json"\n')
    outcome = respike("run", "net.toml")
    assert outcome.code == 0
    assert "of 3 seeds" in outcome.out
    runs = []
    for seed in (7, 8, 9):
        assert respike(*EVALUATE, "--coding", "bernoulli", "--seed", seed, "--json", f"{seed}.json").code == 0
        runs.append(_measured(f"{seed}.json"))
    found = json.loads(Path("seeds.json").read_text())
    assert found["seeds"] == [7, 8, 9]
    assert [{key: value for key, value in run.items() if key != "seconds"} for run in found["runs"]] == runs
    for key in ("spikes_per_neuron", "accuracy", "agreement"):
        each = np.array([run[key] for run in runs])
        np.testing.assert_allclose(found["mean"][key], each.mean(0))
        np.testing.assert_allclose(found["spread"][key], each.std(0, ddof=1))
    assert found["spread"]["spikes_per_neuron"] > 0
    assert found["mean"]["network"] == runs[0]["network"]
    assert not {"seed", "seconds"} & found["mean"].keys()


def test_seeds_of_several_methods_and_without_chance(respike: Runner) -> None:
    text = FILE.replace('"evaluate"', '"compare"').replace("method = ", "methods = ")
    Path("net.toml").write_text(f"{text}seeds = [1, 2]\n")
    outcome = respike("run", "net.toml", "--methods", "max_norm,data_norm", "--json", "-")
    assert outcome.code == 0
    assert "nothing is random here" in outcome.err
    found = json.loads(outcome.out)
    assert [one["method"] for one in found["mean"]] == ["max_norm", "data_norm"]
    assert [one["end"]["accuracy"] for one in found["spread"]] == [0.0, 0.0]


def test_a_missing_file_is_named(respike: Runner) -> None:
    assert "net.toml" in respike.refused("run", "net.toml")


KEYS = st.from_regex(r"[a-z]+(_[a-z]+)?", fullmatch=True).filter(
    lambda key: key not in ("command", "made_with", "seeds")
)
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.integers(-9, 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_written_is_read(values: dict[str, Any]) -> None:
    experiment = Experiment("evaluate", values, {"respike": "0.2.0"})
    Path("some.toml").write_text(experiment.toml(), encoding="utf-8", newline="")
    assert Experiment.read(Path("some.toml")) == experiment


@pytest.mark.parametrize("name", [name for name, one in COMMANDS.items() if name not in ("data", "run")])
def test_every_option_of_a_command_is_a_key(name: str) -> None:
    """From a file to the command line and back: the options, each with a value of its type, stay what they are."""
    command = COMMANDS[name].whole(name)
    examples = {bool: False, int: 8, float: 0.25, str: "word", Path: "some/file"}
    values = {key: examples[one.type_descriptor.annotation] for key, one in keys(command).items()}
    values |= {key: True for key, one in keys(command).items() if getattr(one, "is_flag", False) and key > "m"}
    first, *words = Experiment(name, values).words
    with command.make_context(first, words) as context:
        found = Experiment.of(context).values
    said = {key: value for key, value in values.items() if value is not False or keys(command)[key].secondary_opts}
    assert {key: str(value) if isinstance(value, Path) else value for key, value in found.items()} == said


def test_a_file_that_is_no_text_is_refused() -> None:
    Path("net.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidFile, match="no TOML file"):
        Experiment.read(Path("net.toml"))
