"""Evaluation at scale: what is killed is resumed, what is shared adds up, and the report is always the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import Builder, images, networks
from respike import SpikingNetwork, data, engines, load, measure, methods, zoo
from respike.coding import Bernoulli
from respike.data import Dataset
from respike.errors import InvalidFile
from respike.ir import Network
from respike.measure import BATCH_SIZE, Report, Tally, discard
from respike.measure.early_exit import Margin
from respike.measure.fingerprint import fingerprint
from respike.plan import Plan, Site
from respike.schedule import Steady

IMAGES = 200
BATCHES = -(-IMAGES // BATCH_SIZE)


def _spiking(network: Network, seed: int = 0) -> SpikingNetwork:
    sites = {node.name: Site(0.4) for node in network.activations}
    return SpikingNetwork(network, Plan(sites, Steady(6), Bernoulli(seed=seed)))


def _measured(network: Network, **options: Any) -> Report:
    labels = torch.arange(IMAGES) % 4
    return measure(_spiking(network), (images(network, IMAGES), labels), **options)


def _same(one: Report, other: Report) -> bool:
    return replace(one, seconds=0).to_json() == replace(other, seconds=0).to_json()


class _Share:
    """One of some workers that simulate in turn; the last one to be done has what all have done."""

    device = torch.device("cpu")
    rank = 0

    def __init__(self, mine: list[int], others: list[Tally], size: int) -> None:
        self._mine, self._others, self.size = mine, others, size

    def claims(self, run: object) -> Any:
        return iter([*self._mine, 10**9])

    def together(self, tally: Tally) -> Tally:
        self._others.append(tally)
        return sum(self._others[1:], start=self._others[0])


@settings(max_examples=5, derandomize=True, deadline=None)
@given(network=networks(), data=st.data(), size=st.integers(1, 3))
def test_whoever_simulates_what_the_json_is_the_same(network: Network, data: st.DataObject, size: int) -> None:
    """Byte for byte, with random input, whatever batches a worker has and in whatever order the workers are added."""
    owners = data.draw(st.lists(st.integers(0, size - 1), min_size=BATCHES, max_size=BATCHES))
    done: list[Tally] = []
    order = data.draw(st.permutations(range(size)))
    last = max(order, key=lambda rank: (rank in owners, order.index(rank)))
    for rank in [*(rank for rank in order if rank != last and rank in owners), last]:
        mine = [number for number, owner in enumerate(owners) if owner == rank]
        report = _measured(network, workers=_Share(mine, done, size), early_exit=Margin(0.01))
    assert _same(report, _measured(network, early_exit=Margin(0.01)))


def test_a_data_set_gives_what_its_tensors_give() -> None:
    """Also where it is not read from its beginning."""
    dataset = data.load("mnist", "test").take(150)
    read: list[slice] = []

    class Pixels:
        def __len__(self) -> int:
            return 150

        def __getitem__(self, part: slice) -> torch.Tensor:
            read.append(part)
            return dataset.pixels[part]

    watched = Dataset("mnist", "test", Pixels(), dataset.labels, dataset.classes, "")
    spiking = _mnist()
    assert _same(measure(spiking, watched), measure(spiking, (dataset.images, dataset.labels)))
    assert _same(measure(spiking, watched, limit=100), measure(spiking, dataset.batches(100), limit=100))
    read.clear()
    measure(spiking, watched, workers=_Share([2], [], 2))
    assert read == [slice(128, 150)]


def test_what_is_kept_is_not_simulated_again(tmp_path: Path) -> None:
    network, simulated = _network(), []

    def batched(*args: Any, first_image: int = 0, **kwargs: Any) -> Any:
        simulated.append(first_image)
        if len(simulated) == 3:
            raise KeyboardInterrupt
        return engines.batched(*args, first_image=first_image, **kwargs)

    folder = tmp_path / "kept"
    assert not _measured(network, engine=batched, resume=folder).complete
    assert sorted(path.name for path in folder.iterdir()) == ["000000.safetensors", "000001.safetensors", "run.json"]
    report = _measured(network, engine=batched, resume=folder)
    assert simulated == [0, 64, 128, 128, 192]
    assert _same(report, _measured(network, engine=engines.batched))
    discard(folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 100}, r"another limit \(None, not 100\)"),
        ({"engine": engines.reference}, r"another engine \(batched, not reference\)"),
        ({"early_exit": Margin(0.5)}, "another early exit"),
    ],
)
def test_another_run_is_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    _measured(_network(), engine=engines.batched, resume=tmp_path)
    with pytest.raises(InvalidFile, match=message):
        _measured(_network(), resume=tmp_path, **{"engine": engines.batched, **options})


def test_another_network_version_conversion_or_data_set_is_refused(tmp_path: Path) -> None:
    network, labels = _network(), torch.arange(IMAGES) % 4
    _measured(network, resume=tmp_path)
    with pytest.raises(InvalidFile, match="another network"):
        _measured(_network(seed=2), resume=tmp_path)
    with pytest.raises(InvalidFile, match="another conversion"):
        measure(_spiking(network, seed=1), (images(network, IMAGES), labels), resume=tmp_path)
    with pytest.raises(InvalidFile, match="other images"):
        measure(_spiking(network), (images(network, IMAGES, seed=1), labels), resume=tmp_path)
    with pytest.raises(InvalidFile, match="other images"):
        measure(_spiking(network), (images(network, IMAGES), labels.flip(0)), resume=tmp_path)
    run = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**run, "respike version": "0.0.1"}))
    with pytest.raises(InvalidFile, match=r"another respike version \(0\.0\.1, not"):
        _measured(network, resume=tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{"])
def test_a_damaged_folder_is_refused(content: bytes, tmp_path: Path) -> None:
    _measured(_network(), resume=tmp_path)
    whole = (tmp_path / "000001.safetensors").read_bytes()
    (tmp_path / "000001.safetensors").write_bytes(whole[:-3])
    with pytest.raises(InvalidFile, match=r"000001\.safetensors is corrupted"):
        _measured(_network(), resume=tmp_path)
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InvalidFile, match=r"run\.json"):
        _measured(_network(), resume=tmp_path)
    (tmp_path / "run.json").unlink()
    with pytest.raises(InvalidFile, match=r"no run\.json"):
        _measured(_network(), resume=tmp_path)


def test_discarding_leaves_the_files_of_others(tmp_path: Path) -> None:
    _measured(_network(), resume=tmp_path)
    (tmp_path / ".000001.safetensors.k1ll3d").touch()
    (tmp_path / "notes.txt").touch()
    discard(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_fingerprint_tells_values_apart() -> None:
    network = _network()
    values = [1, 1.0, True, "1", None, (1,), [1, 1], {"1": 1}, torch.tensor(1), torch.tensor(1.0), torch.ones(1)]
    values += [torch.ones(1, 1), Margin(0.1), Margin(0.2), Bernoulli(), network, network.to(torch.float32)]
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint(_network()) == fingerprint(network)


def test_processes_that_are_killed_or_share_the_work(tmp_path: Path) -> None:
    """See processes.py: killed and resumed; two that share; one of two that is lost; one that is silent."""
    _mnist(steps=24).save(tmp_path / "net.respike")
    words = [sys.executable, str(Path(__file__).with_name("processes.py")), str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    found = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    said = "".join(path.read_text() for path in tmp_path.glob("rank*"))
    assert (found.returncode, found.stdout) == (0, "done\n"), found.stdout + found.stderr + said


def _mnist(steps: int = 5) -> SpikingNetwork:
    calibration = data.load("mnist", "calibration").images[:64]
    network = replace(load(zoo.load("mnist-mlp"), calibration[:8]), origin="mnist-mlp")
    return SpikingNetwork(network, methods.max_norm(network, calibration, steps=steps))


def _network(seed: int = 1) -> Network:
    builder = Builder((2, 4, 4), seed)
    builder.conv(3)
    builder.relu()
    return builder.network()
