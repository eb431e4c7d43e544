"""Recordings as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from respike import SpikingNetwork, load, simulate
from respike.errors import InvalidFile, InvalidOption
from respike.methods import max_norm
from respike.record import Probe, Recording


@pytest.fixture
def recording() -> Recording:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()
    shown = torch.rand(5, 6)
    network = load(model, shown)
    spiking = SpikingNetwork(network, max_norm(network, shown, steps=7))
    names = tuple(spiking.plan.sites)
    return simulate(spiking, shown, Probe(spikes=names, potentials=names))


def _same(recording: Recording, found: dict[str, Any]) -> None:
    assert np.array_equal(found["outputs_over_time"], recording.outputs_over_time.numpy())
    for kind in ("spikes", "spike_counts", "potentials"):
        kept = getattr(recording, kind)
        assert kept
        for name, tensor in kept.items():
            assert np.array_equal(found[f"{kind}/{name}"], tensor.numpy())
    (name,) = recording.spikes
    assert found[f"spikes/{name}"].dtype == np.int8
    assert found[f"spikes/{name}"].shape == (7, 5, 8)


def test_a_recording_as_npz(recording: Recording, tmp_path: Path) -> None:
    recording.save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as found:
        _same(recording, dict(found))
    with pytest.raises(InvalidFile, match="there already"):
        recording.save(tmp_path / "run.npz")
    recording.save(tmp_path / "run.npz", force=True)


def test_a_recording_as_hdf5(recording: Recording, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    recording.save(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as file:
        names: list[str] = []
        file.visititems(lambda name, node: names.append(name) if isinstance(node, h5py.Dataset) else None)
        _same(recording, {name: file[name][()] for name in names})


def test_another_end_is_refused(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"ends in \.npz or \.h5, not 'run\.mat'"):
        recording.save(tmp_path / "run.mat")
