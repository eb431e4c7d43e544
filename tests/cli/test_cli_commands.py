"""Every command, as a user types it."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.running import Runner
from respike import SpikingNetwork, __version__, data, load, measure, methods, zoo
from respike.cli import console, demo, options
from respike.cli.app import COMMANDS
from respike.coding import Bernoulli, IntegrateEncoder
from respike.engines.event import COMPILED

FIT = ("--method", "fit", "--input-steps", 5, "--drain-steps", 4)


def _network() -> Any:
    images = data.load("mnist", "calibration").images
    return dataclasses.replace(load(zoo.load("mnist-cnn"), images[:8]), origin="mnist-cnn")


def test_evaluate_gives_the_numbers_of_python(respike: Runner, tmp_path: Path) -> None:
    file, plot = tmp_path / "report.json", tmp_path / "plot.png"
    outcome = respike("evaluate", "mnist-cnn", *FIT, "--limit", 64, "--json", file, "--plot", plot)
    assert outcome.code == 0
    assert "mnist-cnn, 64 images of mnist" in outcome.out
    plan = methods.fit(_network(), input_steps=5, drain_steps=4)
    test = data.load("mnist", "test").batches(64)
    report = measure(SpikingNetwork(_network(), plan), test, limit=64, dataset_name="mnist")
    ours = json.loads(file.read_text())
    assert {**ours, "seconds": 0} == {**json.loads(report.to_json()), "seconds": 0}
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_json_has_its_fields(respike: Runner, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    respike("evaluate", "mnist-cnn", "--method", "data_norm", "--steps", 8, "-n", 64, "--json", file)
    report = json.loads(file.read_text())
    assert report["network"] == "mnist-cnn"
    assert report["method"] == "data_norm"
    assert report["options"] == {"steps": 8, "reset": "ToValue(value=0.0)"}
    assert (report["dataset"], report["images"], report["steps"]) == ("mnist", 64, 8)
    assert len(report["accuracy"]) == 8
    assert report["spikes_per_layer"].keys() == {"relu1", "relu2"}
    engine, seed, version = report["engine"], report["seed"], report["respike_version"]
    assert (engine, seed, version) == ("event" if COMPILED else "batched", None, __version__)
    assert report["complete"] is True
    wanted = {"network_accuracy", "spikes_per_neuron", "synaptic_operations", "macs", "energy_ratio", "seconds"}
    assert wanted <= report.keys()


def test_compare_gives_each_method_the_options_that_it_has(respike: Runner, tmp_path: Path) -> None:
    file, plot = tmp_path / "reports.json", tmp_path / "plot.svg"
    words = ("--methods", "fit,data_norm,max_norm", "--steps", 6, "--input-steps", 3, "--drain-steps", 2)
    outcome = respike("compare", "mnist-cnn", *words, "--limit", 64, "--json", file, "--plot", plot)
    assert outcome.code == 0
    reports = json.loads(file.read_text())
    assert [(report["method"], report["steps"]) for report in reports] == [
        ("fit", 5),
        ("data_norm", 6),
        ("max_norm", 6),
    ]
    assert plot.read_text().startswith("<?xml")


def test_a_converted_network_is_evaluated_without_a_method(respike: Runner, tmp_path: Path) -> None:
    converted, first, second = tmp_path / "net.respike", tmp_path / "1.json", tmp_path / "2.json"
    assert respike("convert", "mnist-cnn", *FIT, "--coding", "bernoulli", "--seed", 3, "--out", converted).code == 0
    respike("evaluate", "mnist-cnn", *FIT, "--coding", "bernoulli", "--seed", 3, "-n", 64, "--json", first)
    assert respike("evaluate", converted, "-n", 64, "--json", second).code == 0
    texts = [{**json.loads(file.read_text()), "seconds": 0} for file in (first, second)]
    assert texts[0] == texts[1]
    assert texts[0]["seed"] == 3
    assert "converted already, by fit" in respike.refused("evaluate", converted, *FIT)
    assert "converted already" in respike.refused("convert", converted, *FIT, "--out", tmp_path / "b.respike")
    assert "threshold" in respike("inspect", converted).out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (FIT, "T = 9 time steps: 5 with input, then 4 without"),
        (("--method", "max_norm", "--steps", 6), "T = 6 time steps, with input in each"),
        (("--method", "few_spikes", "--steps", 3), "K = 3 steps for each layer, one layer after the other"),
    ],
)
def test_how_long_a_network_runs_is_said(words: tuple[object, ...], told: str, respike: Runner, tmp_path: Path) -> None:
    converted = tmp_path / "net.respike"
    assert told in respike("convert", "mnist-cnn", *words, "--out", converted).out
    assert told in respike("inspect", converted).out


def test_a_file_with_moved_weights_is_compared_with_the_network_as_it_was(respike: Runner, tmp_path: Path) -> None:
    converted, first, second = tmp_path / "net.respike", tmp_path / "1.json", tmp_path / "2.json"
    words = ("--method", "few_spikes", "--steps", 1, "--refine", "match_outputs:weights=on:rounds=20")
    assert respike("convert", "mnist-cnn", *words, "--out", converted).code == 0
    respike("evaluate", "mnist-cnn", "--method", "few_spikes", "--steps", 1, "-n", 200, "--json", first)
    assert respike("evaluate", converted, "-n", 200, "--json", second).code == 0
    before, after = (json.loads(file.read_text()) for file in (first, second))
    assert after["network_accuracy"] == before["network_accuracy"]
    assert after["output_error"] < before["output_error"]


@pytest.mark.parametrize(
    ("words", "coding"),
    [
        (("bernoulli", "--rate", 500, "--seed", 9), Bernoulli(rate=500, seed=9)),
        (("integrate",), IntegrateEncoder()),
    ],
)
def test_the_input_coding_can_be_chosen(
    words: tuple[object, ...], coding: object, respike: Runner, tmp_path: Path
) -> None:
    out = tmp_path / "net.respike"
    assert respike("convert", "mnist-cnn", *FIT, "--coding", *words, "--out", out).code == 0
    assert SpikingNetwork.load(out).plan.coding == coding


def test_inspect_shows_where_spikes_will_be(respike: Runner) -> None:
    outcome = respike("inspect", "mnist-cnn")
    assert outcome.code == 0
    row = next(line.split() for line in outcome.out.splitlines() if line.split()[:1] == ["relu1"])
    assert row[1:5] == ["spikes", "16x24x24", "9,216", "177.8"]
    assert "9,360 weights" in outcome.out
    assert "10,240 neurons in 2 populations" in outcome.out


def test_networks(respike: Runner) -> None:
    outcome = respike("networks")
    assert outcome.code == 0
    assert all(entry.name in outcome.out for entry in zoo.ENTRIES)
    assert f"{100 * zoo.record('mnist-cnn').accuracy:.2f} % of 10,000" in outcome.out


def test_methods_tells_all_options_and_papers(respike: Runner) -> None:
    everything = respike("methods").out
    for method in methods.ALL:
        one = respike("methods", method.name).out
        for option in options.options(method).values():
            shown = f"--[no-]{option.flag[2:]}" if option.type is bool else f"{option.flag} {option.metavar}"
            assert shown in one
            assert shown in everything
            assert option.help.split()[0] in one
        assert method.summary.split(",")[0][:60] in everything
        assert all(cite.split(".")[0] in one for cite in method.cites)


def test_data_list(respike: Runner, tmp_path: Path) -> None:
    outcome = respike("data", "list", "--directory", tmp_path)
    assert outcome.code == 0
    assert all(name in outcome.out for name in ("mnist", "fashion-mnist", "cifar10", "cifar100", "imagenet"))


def test_train_writes_what_evaluate_reads(respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {split: data.load("mnist", "test").take(300) for split in ("train", "test")}
    with monkeypatch.context() as patch:
        patch.setattr("respike.zoo.training.data.load", lambda name, split: few[str(split)])
        outcome = respike("train", "mnist-cnn", "--epochs", 1, "--seed", 3, "--directory", tmp_path)
    assert outcome.code == 0
    assert "after 1 epochs" in outcome.out
    assert respike("evaluate", tmp_path / "mnist-cnn.safetensors", *FIT, "--limit", 64).code == 0


def test_demo_writes_a_picture_and_numbers(respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "RUNS", [run for run in demo.RUNS if run.network == "mnist-cnn"])
    outcome = respike("demo", "--out", tmp_path / "new" / "out", "--limit", 64)
    assert outcome.code == 0
    assert "data_norm" in outcome.out
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == ["accuracy-over-time.png", "demo.json"]
    assert len(json.loads((tmp_path / "new" / "out" / "demo.json").read_text())) == 2


def test_the_demo_covers_every_network_that_has_to_come_along() -> None:
    assert {run.network for run in demo.RUNS} == {"mnist-mlp", "mnist-cnn", "mnist-cnn-diehl"}
    for run in demo.RUNS:
        assert run.options.keys() <= methods.find(run.method).options.keys()


def test_a_module_with_a_factory(respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (
        "import torch\ndef net():\n  return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)).eval()"
    )
    Path("my_networks.py").write_text(
        f"{lines}\nlist = None\ndef broken():\n  raise ValueError('no such size')\ndef asks(size):\n  pass\n"
    )
    before = sys.path[:]
    words = ("--method", "direct_copy", "--steps", 2, "--limit", 64)
    outcome = respike("evaluate", "my_networks:net", *words, "--dataset", "mnist")
    assert outcome.code == 0, outcome
    assert "my_networks:net, 64 images of mnist" in outcome.out
    assert sys.path == before
    assert "--dataset" in respike.refused("evaluate", "my_networks:net", *words)
    message = respike.refused("evaluate", "my_networks:broken", *words, "-d", "mnist")
    assert message == "my_networks:broken failed with ValueError: no such size (my_networks.py:6)"
    message = respike.refused("evaluate", "my_networks:asks", *words, "-d", "mnist")
    assert message.endswith("asks() missing 1 required positional argument: 'size'"), message
    assert "did you mean 'net'" in respike.refused("inspect", "my_networks:nett", "-d", "mnist")
    assert "there is no module no_such_module" in respike.refused("inspect", "no_such_module:net", "-d", "mnist")


def test_factories_of_other_number_types(respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kinds.py").write_text(
        "import sys, torch\n"
        "def net():\n  return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)).eval()\n"
        "half = lambda: net().half()\nbrain = lambda: net().bfloat16()\ndouble = lambda: net().double()\n"
        "spread = lambda: torch.nn.DataParallel(net()).eval()\n"
        "def leaves():\n  sys.exit('no data here')\n"
    )
    for factory in ("half", "brain", "double", "spread"):
        outcome = respike(
            "evaluate", f"kinds:{factory}", "--method", "direct_copy", "--steps", 2, "--limit", 64, "-d", "mnist"
        )
        assert outcome.code == 0, outcome
    assert "kinds:leaves failed with SystemExit: no data here" in respike.refused(
        "inspect", "kinds:leaves", "-d", "mnist"
    )


def test_a_pt2_archive(respike: Runner, tmp_path: Path) -> None:
    import torch

    file = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(zoo.load("mnist-cnn"), (torch.zeros(2, 1, 28, 28),)), file)
    assert respike("inspect", file, "-d", "mnist").code == 0


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("evaluate", "--help"), ("data", "--help")])
def test_help_and_version(words: tuple[str, ...], respike: Runner) -> None:
    assert respike(*words).code == 0


@pytest.mark.parametrize("width", [80, 60])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_cuts_nothing(name: str, width: int, respike: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every flag and every choice is whole, and what is no example fits the terminal."""
    monkeypatch.setattr(console.OUT, "_width", width)
    text = respike(name, "--help").out
    shown = text.partition("Examples:")[0]
    assert "…" not in shown.replace("cifar10 …", "")
    assert max(map(len, shown.splitlines())) <= width
    for parameter in COMMANDS[name].whole(name).params:
        for typed in (*parameter.opts, *parameter.secondary_opts, *(parameter.metavar or "").split("|")):
            if parameter.param_type_name == "option" and typed:
                assert re.search(rf"(?<![\w-]){re.escape(typed)}(?![\w-])", shown), typed
    assert "<bool>" not in text


def test_help_teaches_by_example(respike: Runner) -> None:
    for command in (
        "evaluate",
        "compare",
        "convert",
        "diagnose",
        "report",
        "tune",
        "inspect",
        "train",
        "demo",
        "methods",
    ):
        assert f"respike {command} " in respike(command, "--help").out.partition("Examples:")[2]


def test_the_installed_command() -> None:
    words = [sys.executable, "-c", "from respike.cli import main; raise SystemExit(main())"]
    found = subprocess.run([*words, "evaluate", "mnist-cn", "-m", "fit"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == "error: unknown network 'mnist-cn': did you mean 'mnist-cnn'?\n"
