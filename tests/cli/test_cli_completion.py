"""Shells complete what the commands take: their words, and what a real shell makes of them where there is one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from respike import data, hardware, methods, metrics, refine, zoo
from respike.cli import completing
from respike.cli.app import COMMANDS
from respike.engines import ALL as ENGINES
from respike.export import targets

MADE = {name: completing.words_of(name, command.whole(name)) for name, command in COMMANDS.items()}


def _completed(line: str) -> list[str]:
    command, *words = line.split(" ")
    return MADE[command].completed(words[:-1], words[-1])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_of_a_command_is_completed(name: str) -> None:
    whole = COMMANDS[name].whole(name)
    for path, command in (
        [((), whole)] if not hasattr(whole, "commands") else [((one,), found) for one, found in whole.commands.items()]
    ):
        flags = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        flags = {flag for flag in flags if flag.startswith("--")}
        assert flags | {"--help"} == set(MADE[name].completed(path, "--"))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("evaluate ", [entry.name for entry in zoo.ENTRIES]),
        ("train ", [entry.name for entry in zoo.ENTRIES]),
        ("methods ", [method.name for method in methods.ALL]),
        ("refinements ", [refinement.name for refinement in refine.ALL]),
        ("data fetch ", [listing.name for listing in data.available()]),
        ("data f", ["fetch"]),
        ("evaluate mnist-cnn --method ", [method.name for method in methods.ALL]),
        ("evaluate mnist-cnn -m few", ["few_spikes"]),
        ("compare mnist-cnn --methods fit,few", ["fit,few_spikes"]),
        ("evaluate mnist-cnn --refine signed,spiking", ["signed,spiking_output"]),
        ("evaluate mnist-cnn --method fit --dataset fash", ["fashion-mnist"]),
        ("evaluate mnist-cnn --force --engine ", list(ENGINES)),
        ("evaluate mnist-cnn --metric ", list(metrics.named())),
        ("evaluate --method fit fashion-v", ["fashion-vit"]),
        ("check mnist-cnn --target ", [chip.name for chip in hardware.ALL]),
        ("convert mnist-cnn --target ", [target.name for target in targets.ALL]),
        ("convert mnist-cnn --to net", ["net.nir", "net.pt2", "net/"]),
        ("convert mnist-cnn --to net.p", ["net.pt2"]),
        ("convert mnist-cnn --out net", ["net.respike"]),
        ("evaluate mnist-cnn --limit ", []),
        ("evaluate mnist-cnn another", []),
        ("evaluate mnist-cnn --method=few", ["--method=few_spikes"]),
        ("compare mnist-cnn --methods=fit,few", ["--methods=fit,few_spikes"]),
        ("evaluate mnist-cnn --method = few", ["few_spikes"]),  # as bash tells it
        ("evaluate mnist-cnn --engine =", list(ENGINES)),
        ("evaluate --method = fit fashion-v", ["fashion-vit"]),
        ("evaluate --refine balance = 3 fashion-v", ["fashion-vit"]),
        ("evaluate mnist-cnn --limit=", []),
        ("evaluate mnist-cnn --force=", []),
        ("evaluate mnist-cnn --early-exit ", ["bound", "margin="]),
    ],
)
def test_names_are_completed(line: str, wanted: list[str]) -> None:
    assert _completed(line) == wanted


def test_the_table_is_kept_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "user_cache_path", lambda _: tmp_path)
    monkeypatch.setattr(completing, "_PACKAGE", tmp_path / "package")
    source = tmp_path / "package" / "one.py"
    source.parent.mkdir()
    source.touch()
    made: list[str] = []

    def commands() -> dict[str, object]:
        made.append("made")
        return {"check": COMMANDS["check"].whole("check")}

    for _ in range(2):
        assert completing.table(commands) == {"check": MADE["check"]}
    assert made == ["made"]
    os.utime(source, ns=(10**18, 10**18 + 10**19))
    completing.table(commands)
    assert made == ["made"] * 2
    (kept,) = tmp_path.glob("*.json")
    kept.write_text("{")
    assert completing.table(commands) == {"check": MADE["check"]}
    assert made == ["made"] * 3


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """That of a shell whose cache has the table, and whose `respike` is this one."""
    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    completing.table(lambda: {name: command.whole(name) for name, command in COMMANDS.items()})
    program = tmp_path / "bin" / "respike"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m respike "$@"\n')
    program.chmod(0o755)
    return os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


SHELLS = {
    "bash": "COMP_WORDS=({line}); COMP_CWORD=4; _respike_completion respike; echo ${{COMPREPLY[@]}}",
    "zsh": "_arguments() {{ print -r -- $* }}; words=({line}); CURRENT=5; _respike_completion",
    "fish": "complete --do-complete '{line}'",
}
"""What each shell does where one presses the tab key; zsh's own part of it works in a terminal only."""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_without_torch(shell: str, environment: dict[str, str]) -> None:
    """Importing torch is made to fail, and the script of `--show-completion` is run by the shell itself."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    place = Path(environment["HOME"])
    script = subprocess.run(
        ["respike", "--show-completion", shell],
        env=environment | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (place / "script").write_text(script)
    (place / "torch.py").write_text("raise SystemExit('torch was imported')")
    line = "respike evaluate mnist-cnn --method few"
    before = "autoload -Uz compinit; compinit -D -u\n" if shell == "zsh" else ""
    program = f"{before}. {place / 'script'}\n{SHELLS[shell].format(line=line)}"
    path = os.pathsep.join([str(place), environment.get("PYTHONPATH", "")])
    found = subprocess.run(
        [shell, "-c", program], env=environment | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert (re.findall(r"\w{4,}", found.stdout), found.stderr) == (["few_spikes"], "")
