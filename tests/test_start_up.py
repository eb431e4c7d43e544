"""What is imported, and when: nothing heavy before it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

import respike
from respike.cli.app import COMMANDS

DRAWING = {"matplotlib", "rich", "typer"}
HEAVY = {"torch", "numpy", "pooch", "PIL", "triton", "h5py", "onnx", "keras", "optuna"} | DRAWING


def _imported(program: str) -> set[str]:
    """The heavy packages that a new process has imported after a program."""
    show = f"import sys\n{program}\nprint('imported', *{HEAVY!r} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    return set(found.stdout.splitlines()[-1].split()[1:])


def test_the_package_imports_nothing_heavy() -> None:
    assert _imported("import respike") == set()


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["evaluat"]])
def test_help_needs_no_torch(words: list[str]) -> None:
    assert _imported(f"from respike.cli import main; main({words})") == {"rich", "typer"}


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "RuntimeError", "ImportError"])
@pytest.mark.parametrize("package", ["typer", "torch"])
def test_ctrl_c_while_packages_are_imported_is_answered_in_one_line(package: str, error: str) -> None:
    """Python itself makes a RuntimeError of what is raised while a class is made."""
    program = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *others):\n"
        f"        if name == {package!r}:\n"
        "            try: raise KeyboardInterrupt\n"
        f"            except KeyboardInterrupt as stop: raise {error} from stop\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from respike.cli import main\n"
        "sys.exit(main(['evaluate', 'mnist-mlp', '--method', 'max_norm']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def test_ctrl_c_that_compiled_code_has_swallowed_is_no_error_of_ours() -> None:
    """As where torch imports NumPy: it goes on with what there is of it, which fails later."""
    program = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *others):\n"
        "        if name == 'torch':\n"
        "            try: os.kill(os.getpid(), signal.SIGINT)\n"
        "            except KeyboardInterrupt: pass\n"
        "        if name == 'torch.nn':\n"
        "            raise AttributeError('no minimum')\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from respike.cli import main\n"
        "sys.exit(main(['evaluate', 'mnist-mlp', '--method', 'max_norm']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def test_ctrl_c_while_an_object_is_thrown_away_comes_again() -> None:
    program = (
        "import os, signal, subprocess, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Last:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "class Throwing:\n"
        "    def find_spec(self, name, *others):\n"
        "        if name == 'torch':\n"
        "            Last()\n"
        "            child = 'import time; time.sleep(10); print(\"waited to the end\")'\n"
        "            subprocess.run([sys.executable, '-c', child])\n"
        "sys.meta_path.insert(0, Throwing())\n"
        "from respike.cli import main\n"
        "sys.exit(main(['evaluate', 'mnist-mlp', '--method', 'max_norm']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def test_the_five_verbs_draw_nothing() -> None:
    verbs = ["load", "prepare", "methods", "simulate", "measure", "diagnose", "data", "zoo", "fitting"]
    used = _imported(f"import respike\nfor name in {verbs}: getattr(respike, name)")
    assert used == {"torch", "numpy"}


def test_evaluating_without_a_plot_draws_nothing() -> None:
    words = ["evaluate", "mnist-mlp", "--method", "fit", "--input-steps", "2", "--drain-steps", "2", "--limit", "4"]
    assert "matplotlib" not in _imported(f"from respike.cli import main; main({words})")


def test_every_public_name_is_there() -> None:
    assert set(respike.__all__) == set(dir(respike))
    for name in respike.__all__:
        assert getattr(respike, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'measures'"):
        _ = respike.measures


def test_verbs_stay_verbs_when_their_modules_are_imported() -> None:
    for name in ("load", "measure", "simulate"):
        assert isinstance(import_module(f"respike.{name}"), ModuleType)
        assert callable(getattr(respike, name))


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_listed_with_the_first_sentence_of_their_help(name: str) -> None:
    whole = COMMANDS[name].whole(name)
    assert COMMANDS[name].summary == whole.help.split("\n\n")[0].replace("\n", " ")
