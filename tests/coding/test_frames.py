"""Input that is given over time: `Frames`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import images, networks
from respike import SpikingNetwork, load, measure, metrics, score, simulate
from respike.coding import Bernoulli, ConstantCurrent, Frames
from respike.engines import STEPPED, Engine
from respike.errors import InvalidData, InvalidPlan
from respike.ir import Network
from respike.methods import few_spikes, fit, max_norm
from respike.record import INPUT, Probe


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=networks(), seed=st.integers(0, 9))
def test_the_spikes_of_another_coding_as_frames_give_the_same(network: Network, seed: int) -> None:
    """What Bernoulli draws, given as sequences, is the same input: the same spikes and outputs."""
    shown = images(network, 3)
    plan = replace(max_norm(network, shown, steps=7), coding=Bernoulli(seed=seed))
    drawn = plan.coding.stream(shown).take(7).transpose(0, 1)
    probe = Probe(spikes=(*plan.sites, INPUT))
    expected = simulate(SpikingNetwork(network, plan), shown, probe)
    found = simulate(SpikingNetwork(network, replace(plan, coding=Frames())), drawn, probe)
    assert torch.equal(expected.outputs_over_time, found.outputs_over_time)
    for name, spikes in expected.spikes.items():
        assert torch.equal(spikes, found.spikes[name]), name


@pytest.mark.parametrize("engine", STEPPED.values(), ids=STEPPED)
def test_a_sequence_that_stands_still_is_an_image(engine: Engine) -> None:
    network = _network()
    shown = images(network, 4)
    still = max_norm(network, 1.5 * shown, steps=9)  # no current is a threshold, on which rounding would decide
    moving = replace(still, coding=Frames())
    sequence = shown.unsqueeze(1).expand(-1, 9, *shown.shape[1:])
    one = simulate(SpikingNetwork(network, still), shown, engine=engine)
    other = simulate(SpikingNetwork(network, moving), sequence, engine=engine)
    assert torch.allclose(one.outputs_over_time, other.outputs_over_time)
    for name in still.sites:
        assert torch.equal(one.spike_counts[name], other.spike_counts[name])


def _network() -> Network:
    torch.manual_seed(0)
    layers = [torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)]
    return load(torch.nn.Sequential(*layers).eval(), torch.rand(2, 6))


def test_measuring_sequences_compares_with_the_network_on_mean_frames() -> None:
    network = _network()
    generator = torch.Generator().manual_seed(1)
    sequences = torch.rand(70, 12, 6, generator=generator).round()
    plan = replace(max_norm(network, sequences.mean(1), steps=12), coding=Frames())
    spiking = SpikingNetwork(network, plan)
    labels = network(sequences.mean(1)).argmax(1)
    report = measure(spiking, (sequences, labels))
    assert report.network_accuracy == 1.0
    assert report.accuracy[-1] == float((spiking(sequences).argmax(1) == labels).float().mean())
    found = score(spiking, sequences, metrics.CosineSimilarity())
    assert found.network_value == pytest.approx(1.0)
    assert found.values[-1] > 0.8
    spikes = simulate(spiking, sequences, Probe(fan_out={INPUT: torch.full((6,), 8.0)}))
    assert float(spikes.spikes_per_step[INPUT].sum()) == float(sequences.sum())


def test_a_phase_without_input_is_silent_and_files_keep_the_coding(tmp_path: Path) -> None:
    network = _network()
    shown = torch.rand(5, 6)
    plan = replace(fit(network, shown, input_steps=5, drain_steps=4), coding=Frames())
    sequence = shown.unsqueeze(1).expand(-1, 5, 6)
    expected = simulate(SpikingNetwork(network, replace(plan, coding=ConstantCurrent())), shown)
    for engine in STEPPED.values():
        found = simulate(SpikingNetwork(network, plan), sequence, engine=engine)
        assert torch.allclose(found.outputs, expected.outputs)
    SpikingNetwork(network, plan).save(tmp_path / "net.respike")
    assert SpikingNetwork.load(tmp_path / "net.respike").plan.coding == Frames()


def test_bad_sequences() -> None:
    network = _network()
    plan = replace(max_norm(network, torch.rand(20, 6), steps=4), coding=Frames())
    spiking = SpikingNetwork(network, plan)
    with pytest.raises(InvalidData, match=r"takes sequences \[batch, 4, 6\], got \[3, 6\]"):
        spiking(torch.rand(3, 6))
    with pytest.raises(InvalidData, match="the sequences have 5 frames, and the plan has 4 steps"):
        spiking(torch.rand(3, 5, 6))
    with pytest.raises(InvalidData, match="images from 0 on: the sequences have 5 frames"):
        measure(spiking, torch.rand(3, 5, 6))
    with pytest.raises(InvalidData, match="NaN"):
        spiking(torch.full((3, 4, 6), torch.nan))
    with pytest.raises(InvalidPlan, match="few-spikes neurons take the image as it is"):
        SpikingNetwork(network, replace(few_spikes(network, torch.rand(20, 6), steps=4), coding=Frames()))
