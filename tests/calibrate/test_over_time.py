"""Populations that run one after the other: the compiled kernels give what the definitions give, in torch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from networks import Builder, images, networks
from respike.calibrate import over_time
from respike.calibrate.over_time import Currents, Part, behind, parts
from respike.coding import Bernoulli, Coding, ConstantCurrent
from respike.engines.event import COMPILED
from respike.ir import Activation, Input, Network, Node, ReLU
from respike.neurons import Burst, IntegrateFire, Neuron, OffsetCorrected, SignedIntegrateFire, ToValue
from respike.plan import Site

NEURONS = [IntegrateFire(), IntegrateFire(ToValue(0.0)), SignedIntegrateFire(), Burst(3), OffsetCorrected(2)]

pytestmark = pytest.mark.skipif(not COMPILED, reason="the kernels were not compiled")


def in_torch(network: Network, batch: Tensor, coding: Coding, steps: int) -> list[Part]:
    """The images in parts that run without the kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(over_time, "why_not", lambda network: "it was not compiled")
        return parts(network, batch, coding, steps)


def network_with_a_max_pool() -> Network:
    builder = Builder((2, 6, 5), 1)
    for kind in ("conv", "maxpool", "conv"):
        builder.block(kind)
    return builder.network()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(network=network_with_a_max_pool(), neuron=SignedIntegrateFire(), steps=66, coding=Bernoulli())
@given(
    network=networks(),
    neuron=st.sampled_from(NEURONS),
    steps=st.sampled_from([1, 7, 66]),
    coding=st.sampled_from([ConstantCurrent(), Bernoulli()]),
)
def test_layers_run_in_the_kernels_as_in_torch(network: Network, neuron: Neuron, steps: int, coding: Coding) -> None:
    batch = images(network, 3)
    compiled, defined = parts(network, batch, coding, steps), in_torch(network, batch, coding, steps)
    for number, node in enumerate(network.activations):
        nodes = behind(network, node.inputs)
        ((fast, current),), ((slow, wanted),) = Currents(compiled, nodes), Currents(defined, nodes)
        torch.testing.assert_close(current, wanted, rtol=1e-9, atol=1e-9)
        channels = wanted.shape[2]
        threshold = wanted.abs().amax().double() * (0.4 + torch.rand(channels, dtype=torch.float64)) + 0.1
        site = Site(threshold, spike_value=0.9 * threshold, initial_potential=0.3 * threshold, neuron=neuron)
        own = replace(site, extra_current=0.01 * threshold)
        transient = wanted.abs().amax().double() * torch.rand(5, channels, dtype=torch.float64)
        for tried in (site, own, replace(site, threshold=0.9 * threshold), replace(own, transient=transient)):
            # From the same currents, both send the same; what was sent last is what the next population gets.
            sent = [layers.run(node.name, wanted, tried) for layers in (fast, slow)]
            torch.testing.assert_close(sent[0], sent[1], rtol=1e-12, atol=1e-12)
        if number:
            for layers in (fast, slow):
                layers.forget({"nobody"})


@pytest.mark.parametrize("shape", [(16, 3, 5), (32, 2, 2), (64, 1, 3), (64,), (80,), (5, 3, 3), (16, 40, 20)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("neuron", NEURONS)
def test_dense_currents_are_fired_on_where_they_lie(shape: tuple[int, ...], dtype: torch.dtype, neuron: Neuron) -> None:
    """Whole blocks of channels, blocks that are cut, several tiles; currents channel by channel or pixel by pixel."""
    network = Network((Input("x", (), shape), Activation("relu", ("x",), ReLU())), ("relu",))
    batch = torch.randint(-2, 4, (3, *shape)).to(dtype) / 4
    current = torch.randint(-4, 8, (9, 3, *shape)).to(dtype) / 8
    site = Site(torch.rand(shape[0], dtype=torch.float64).mul(4).ceil() / 4, neuron=neuron)
    ((fast,), (slow,)) = (make(network, batch, ConstantCurrent(), 9) for make in (parts, in_torch))
    wanted = slow.layers.run("relu", current, site)
    assert torch.equal(fast.layers.run("relu", current, site), wanted)
    moved = current.movedim(2, -1).contiguous().movedim(-1, 2)
    assert torch.equal(fast.layers.run("relu", moved, site), wanted)
    assert bool(wanted.any())


@pytest.mark.parametrize(("kept", "computed"), [(None, 3), (80, 4), (64, 4), (63, 5), (0, 6)])
def test_currents_are_computed_once_while_there_is_memory(
    kept: int | None, computed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of three parts, 32 bytes each, are asked for twice."""
    if kept is not None:
        monkeypatch.setattr(over_time, "KEPT", kept)
    asked: list[int] = []

    class Layers:
        def __init__(self, number: int) -> None:
            self.number = number

        def current(self, nodes: tuple[Node, ...]) -> Tensor:
            asked.append(self.number)
            return torch.full((2, 4), float(self.number))

    every = [Part(Layers(number), lambda: None, 2) for number in range(3)]  # type: ignore[arg-type, return-value]
    currents = Currents(every, ())
    for _ in range(2):
        assert [float(current.mean()) for _, current in currents] == [0.0, 1.0, 2.0]
    assert len(asked) == computed
