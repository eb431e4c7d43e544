"""Who is told how far a computation is, and what `progress=True` shows."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from respike import SpikingNetwork, measure, methods
from respike.ir import Activation, Input, Linear, Network, ReLU
from respike.progress import shown, silent


def _spiking() -> SpikingNetwork:
    nodes = (
        Input("x", (), (4,)),
        Linear("first", ("x",), torch.eye(4), None),
        Activation("relu", ("first",), ReLU()),
        Linear("out", ("relu",), torch.eye(4)[:3], None),
    )
    return SpikingNetwork(network := Network(nodes, ("out",), origin="net"), methods.direct_copy(network, steps=4))


def test_those_who_are_given_are_told() -> None:
    told: list[tuple[str, int, int | None]] = []
    with shown(lambda *news: told.append(news)) as progress:
        progress("counting", 1, 2)
    assert told == [("counting", 1, 2)]
    with shown(False) as nobody:
        assert nobody is silent


def test_a_bar_is_drawn_beside_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    data = (torch.rand(7, 4), torch.zeros(7, dtype=torch.int64))
    report = measure(_spiking(), data, progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert "net direct_copy" in said.err
    assert "7/7" in said.err
    assert report.accuracy == measure(_spiking(), data, progress=False).accuracy
    assert capsys.readouterr().err == ""


def test_a_bar_ends_with_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def divides() -> None:
        with shown(True) as progress:
            progress("dividing", 1, 3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        divides()
    assert "dividing" in capsys.readouterr().err
    with shown(True) as progress:  # rich allows one at a time
        progress("again", 3, 3)
    assert "3/3" in capsys.readouterr().err


def test_a_notebook_shows_a_bar_in_the_cell() -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    cell = (
        "from respike.progress import shown\n"
        "with shown(True) as progress:\n"
        "    for done in range(1, 301): progress('<b>', done, 300)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert output.data["text/html"] == (
        '<label>&lt;b&gt; <progress value="300" max="300"></progress> 300 of 300</label>'
    )


def test_nothing_that_draws_is_imported_for_those_who_do_not_look() -> None:
    program = "import sys; from respike.progress import shown\nwith shown(False): print('rich' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
