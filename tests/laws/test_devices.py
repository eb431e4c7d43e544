"""A network on another device gets the plans that it gets on the CPU, and runs there.

The device is a GPU where there is one. Elsewhere it is one of tests/second_device.py, on which operations fail that mix
tensors of two devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

import respike
from networks import Builder, images
from respike import SpikingNetwork, engines, lower, methods, refine
from respike.errors import RespikeError
from respike.ir import Linear, Network, Reshape
from respike.methods import Method
from respike.plan import Plan
from respike.refine import Refinement
from second_device import second_device

torch.backends.cudnn.allow_tf32 = False
NUMBERS = ("threshold", "value", "initial_potential", "extra_current")
BASES = ("opi", "few_spikes", "every_edge", "fit")
"""Plans that refinements are tried on."""


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    if torch.cuda.is_available():
        yield torch.device("cuda")
    else:
        with second_device() as device:
            yield device


def network() -> Network:
    """Convolutions, a pool, a residual and a linear layer."""
    builder = Builder((2, 6, 5), 2)
    builder.conv(3)
    builder.relu()
    for kind in ("maxpool", "residual"):
        builder.block(kind)
    size = 1
    for length in Network(tuple(builder.nodes), (builder.last,)).shapes[builder.last]:
        size *= length
    builder.put(Reshape("flatten", (builder.last,), (size,)))
    builder.put(Linear("out", ("flatten",), builder.random(4, size)))
    return Network(tuple(builder.nodes), ("out",))


def plan_of(name: str, subject: Network, given: Tensor) -> Plan:
    method = methods.find(name)
    return method.plan(subject, given, **({"steps": 4} if "steps" in method.parameters else {}))


def same(expected: Plan, found: Plan) -> None:
    assert expected.sites.keys() == found.sites.keys()
    assert expected.schedule == found.schedule
    for name in expected.sites:
        for field in NUMBERS:
            one, other = (torch.as_tensor(getattr(plan.sites[name], field)) for plan in (expected, found))
            assert other.device.type == "cpu"
            assert torch.allclose(one.double(), other.double(), rtol=1e-9, atol=1e-9), (name, field)


@pytest.mark.parametrize("method", methods.ALL, ids=lambda method: method.name)
def test_methods_and_engines(method: Method[Any]) -> None:
    subject = network()
    given = images(subject, 20)
    try:
        expected = plan_of(method.name, subject, given)
    except RespikeError:
        pytest.skip("a method for other networks")
    with elsewhere() as device:
        there = subject.to(device)
        found = plan_of(method.name, there, given)
        same(expected, found)
        spiking = SpikingNetwork(there, found)
        report = respike.measure(spiking, [(given, torch.zeros(len(given), dtype=torch.int64))])
        for engine in (engines.reference, engines.batched):
            outputs = respike.simulate(spiking, given[:3], engine=engine).outputs_over_time.cpu()
            ours = respike.simulate(SpikingNetwork(subject, found), given[:3], engine=engine).outputs_over_time
            assert torch.allclose(outputs, ours, rtol=0, atol=1e-9)
    here = respike.measure(SpikingNetwork(subject, found), [(given, torch.zeros(len(given), dtype=torch.int64))])
    assert report.spikes_per_neuron == here.spikes_per_neuron
    assert report.synaptic_operations == here.synaptic_operations


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("refinement", refine.ALL, ids=lambda refinement: refinement.name)
def test_refinements(refinement: Refinement[Any], base: str) -> None:
    subject = network()
    given = images(subject, 20)
    plan = plan_of(base, subject, given)
    options = {"rounds": 2} if "rounds" in refinement.options else {}
    try:
        expected = refinement.apply(plan, subject, given, **options)
    except RespikeError:
        pytest.skip("a refinement for other plans")
    with elsewhere() as device:
        same(expected, refinement.apply(plan, subject.to(device), given, **options))


def test_lowering_diagnosis_training_and_files(tmp_path: Any) -> None:
    subject = network()
    given = images(subject, 20)
    plan = plan_of("opi", subject, given)
    fixed = lower.fixed_point(subject, plan)
    unit, unit_plan = lower.unit_spikes(subject, plan)
    with elsewhere() as device:
        there = subject.to(device)
        for name, weight in lower.fixed_point(there, plan).weights.items():
            assert torch.equal(weight, fixed.weights[name])
        lowered, lowered_plan = lower.unit_spikes(there, plan)
        same(unit_plan, lowered_plan)
        assert torch.allclose(lowered(given).cpu(), unit(given), rtol=0, atol=1e-9)
        spiking = SpikingNetwork(there, plan)
        assert respike.diagnose(spiking, given).images == len(given)
        trained = spiking.to_module()(given[:3].to(device)).detach().cpu()
        spiking.save(tmp_path / "there.respike")
    loaded = SpikingNetwork.load(tmp_path / "there.respike")
    here = respike.simulate(loaded, given[:3]).outputs_over_time[-1] / plan.output_decoding
    assert torch.allclose(trained, here, rtol=0, atol=1e-9)
