"""Saved networks: the same spikes after reloading; nothing but what was saved is read."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import operator
import os
import pickle
import random
import struct
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from networks import Builder, computing, images, networks, perceptrons, suited
from neuron_samples import ALL
from respike import SpikingNetwork, engines, methods
from respike.archive import FORMAT
from respike.coding import Bernoulli, Coding, ConstantCurrent, IntegrateEncoder
from respike.errors import DeadLayerWarning, InvalidFile
from respike.ir import Activation, Input, Linear, Network, ReLU
from respike.methods import Method
from respike.neurons import Neuron
from respike.plan import MomentaryMax, Plan, Site, SpikeCount
from respike.schedule import Layerwise, Steady
from respike.tensor_file import pack, parse

OPTIONS: dict[str, dict[str, Any]] = {
    "fit": {"input_steps": 4, "drain_steps": 3},
    "time_to_first_spike": {"time_bits": 3},
}


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    network=st.one_of(networks(), perceptrons()),
    method=st.sampled_from(methods.ALL),
    coding=st.sampled_from([ConstantCurrent(), Bernoulli(seed=9), IntegrateEncoder()]),
    counted=st.booleans(),
)
def test_a_reloaded_network_gives_the_same_spikes(
    tmp_path_factory: pytest.TempPathFactory, network: Network, method: Method[Any], coding: Coding, counted: bool
) -> None:
    network = suited(network, method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeadLayerWarning)
        plan = method.plan(network, images(network, 9), **OPTIONS.get(method.name, {"steps": 6}))
    if not isinstance(plan.schedule, Layerwise):  # few-spikes networks have one coding and one readout
        plan = replace(plan, coding=coding, max_pooling=MomentaryMax())
        plan = replace(plan, readout=SpikeCount(Site(0.3))) if counted else plan
    path = tmp_path_factory.mktemp("saved") / "net.respike"
    SpikingNetwork(network, plan).save(path)
    again = SpikingNetwork.load(path)
    batch = images(network, 3, seed=4)
    expected, found = (engines.batched(s.network, s.plan, batch) for s in (SpikingNetwork(network, plan), again))
    assert all(torch.equal(expected.spike_counts[name], found.spike_counts[name]) for name in expected.spike_counts)
    assert torch.equal(expected.outputs_over_time, found.outputs_over_time)
    assert (again.plan.method, again.plan.cites) == (plan.method, plan.cites)
    assert dict(again.plan.options) == dict(plan.options)


@pytest.mark.parametrize("neuron", ALL, ids=str)
def test_every_neuron_is_read_again_as_it_was(tmp_path: Path, neuron: Neuron) -> None:
    builder = Builder((2, 4, 4), 0)
    builder.conv(3)
    builder.relu()
    network = computing(neuron.computes, builder.network())
    schedule = Steady(3) if neuron.window is None else Layerwise(neuron.window)
    SpikingNetwork(network, Plan({node.name: Site(0.5, neuron=neuron) for node in network.activations}, schedule)).save(
        tmp_path / "net.respike"
    )
    again = SpikingNetwork.load(tmp_path / "net.respike")
    assert all(site.neuron == neuron for site in again.plan.sites.values())


def test_what_nodes_share_is_written_once_and_stays_shared(tmp_path: Path) -> None:
    weight = torch.eye(64)
    shared = Network(
        (
            Input("x", (), (64,)),
            *(Linear(f"fc{n}", (f"fc{n - 1}" if n else "x",), weight) for n in range(9)),
            Activation("relu", ("fc8",), ReLU()),
        ),
        ("relu",),
    )
    SpikingNetwork(shared, methods.direct_copy(shared, steps=3)).save(tmp_path / "net.respike")
    again = SpikingNetwork.load(tmp_path / "net.respike").network
    for network in (again, shared.to(torch.float64)):
        weights = {id(node.weight) for node in network.nodes if isinstance(node, Linear)}
        assert len(weights) == 1
    assert (tmp_path / "net.respike").stat().st_size < 2 * weight.nbytes


def saved(folder: Path) -> Path:
    builder = Builder((2, 4, 4), 0)
    builder.conv(3)
    builder.relu()
    network = builder.network()
    path = folder / "net.respike"
    SpikingNetwork(network, methods.direct_copy(network, steps=3)).save(path)
    return path


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
def test_truncated_files_are_refused(tmp_path: Path, kept: float) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(InvalidFile, match="corrupted, truncated"):
        SpikingNetwork.load(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="there is no file"):
        SpikingNetwork.load(tmp_path / "nothing.respike")
    save_file({"weight": torch.ones(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(InvalidFile, match="no converted network"):
        SpikingNetwork.load(tmp_path / "weights.safetensors")


class Trap:
    """Unpickling this would create a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "net.respike").write_bytes(pickle.dumps(Trap(tmp_path / "marker")))
    with pytest.raises(InvalidFile):
        SpikingNetwork.load(tmp_path / "net.respike")
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Popen", "args": ["true"]},
        {"type": "Plan"},
        {"tensor": 999},
        {"float": "nonsense"},
        {"unknown": 1},
        {"type": "Plan", "sites": 3, "schedule": {"type": "Steady", "steps": 2}},
        {"type": "Site", "threshold": "high"},
        [],
    ],
)
def test_a_forged_header_makes_nothing_else(tmp_path: Path, change: Any) -> None:
    """Only the dataclasses of a plan and a network can be made, with their own checks."""
    path = saved(tmp_path)
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    tree = json.loads(header["__metadata__"]["respike"])
    tree["plan"] = change
    header["__metadata__"] = {"format": FORMAT, "respike": json.dumps(tree)}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    with pytest.raises(InvalidFile, match="does not describe a converted network"):
        SpikingNetwork.load(path)


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    spiking = SpikingNetwork.load(saved(tmp_path))
    with pytest.raises(InvalidFile, match="cannot write"):
        spiking.save(tmp_path / "no" / "folder" / "net.respike")
    assert [path.name for path in tmp_path.iterdir()] == ["net.respike"]


def test_a_loaded_network_does_not_depend_on_its_file(tmp_path: Path) -> None:
    """A mapped file would change the network with it, and end the process where it is cut short."""
    path = saved(tmp_path)
    again = SpikingNetwork.load(path)
    batch = images(again.network, 2)
    expected = again(batch)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(path.stat().st_size // 2))
    assert torch.equal(again(batch), expected)
    os.truncate(path, 0)
    assert torch.equal(again(batch), expected)


def test_every_flipped_bit_is_found_or_changes_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    spiking = SpikingNetwork.load(path)
    batch = images(spiking.network, 2)
    expected = spiking(batch)
    chance = random.Random(0)
    refused = 0
    for _ in range(150):
        place, bit = chance.randrange(len(content)), chance.randrange(8)
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
        try:
            assert torch.equal(SpikingNetwork.load(path)(batch), expected), (place, bit)
        except InvalidFile:
            refused += 1
    assert refused > 140


def test_files_from_before_there_was_a_checksum_are_read(tmp_path: Path) -> None:
    path = saved(tmp_path)
    tensors, header = parse(path.read_bytes(), path)
    save_file(tensors, path, header)
    SpikingNetwork.load(path)


VALUES: list[Any] = [None, True, -1, 0, 1, 3, 10**9, 10**12, -(10**30), 2**64, 0.5, "", "x", [], [1], [[]], {}]
VALUES += [{"float": "nan"}, {"float": "inf"}, {"float": "0x1p-1"}, {"float": "0x1p99999"}, {"mapping": {}}]
VALUES += [{"tensor": 0}, {"tensor": 10**5}, {"type": "Steady", "steps": {"float": "nan"}}, {"type": "ReLU"}]


def _spots(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values in a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from _spots(value, (*path, key))


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    return functools.reduce(operator.getitem, path, tree)


def _changed(tree: Any, chance: random.Random) -> Any:
    """The tree with one value left out, or replaced by another kind of value or by one from elsewhere in the tree."""
    tree = copy.deepcopy(tree)
    spots = list(_spots(tree))
    *parent, last = chance.choice(spots)
    match chance.randrange(3):
        case 0:
            del _at(tree, tuple(parent))[last]
        case 1:
            _at(tree, tuple(parent))[last] = copy.deepcopy(_at(tree, chance.choice(spots)))
        case _:
            _at(tree, tuple(parent))[last] = copy.deepcopy(chance.choice(VALUES))
    return tree


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", [methods.max_norm, methods.few_spikes, methods.fit], ids=lambda method: method.name)
def test_changed_descriptions_are_refused_or_run(method: Method[Any], tmp_path: Path) -> None:
    """Signed with the right checksum, as somebody would who wants to do harm: no field is taken for what it is not."""
    builder = Builder((2, 6, 6), 0)
    for kind in ("conv", "residual", "maxpool", "grouped", "avgpool"):
        builder.block(kind)
    network = builder.network()
    path = tmp_path / "net.respike"
    plan = method.plan(network, images(network, 9), **(OPTIONS["fit"] if method is methods.fit else {}))
    SpikingNetwork(network, plan).save(path)
    tensors, header = parse(path.read_bytes(), path)
    tree = json.loads(header["respike"])
    batch = images(network, 2)
    chance = random.Random(method.name)
    for _ in range(100):
        text = json.dumps(_changed(tree, chance))
        path.write_bytes(pack(tensors, {"format": FORMAT, "respike": text}))
        with contextlib.suppress(InvalidFile):
            found = SpikingNetwork.load(path)
            if found.network.inputs[0].shape == network.inputs[0].shape:
                found(batch)
