"""Chips: published limits, the first one broken by name, and changes that make a network fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cli.running import Runner
from networks import Builder
from respike import SpikingNetwork, hardware, load, methods, refine, zoo
from respike.coding import IntegrateEncoder
from respike.errors import Argument, InvalidOption, UnknownName
from respike.export import portable
from respike.hardware import Chip, Fit, layers_of
from respike.hardware.chips import speck, xylo
from respike.ir import Activation, AvgPool, Conv, Input, Linear, MaxPool, Network, ReLU, Reshape
from respike.lower import fixed_point
from respike.neurons import Burst, Neuron, SignedIntegrateFire
from respike.plan import Plan, Site
from respike.schedule import Steady


def _spiking(network: Network, neuron: Neuron | None = None) -> SpikingNetwork:
    sites = {node.name: Site(1.0) if neuron is None else Site(1.0, neuron=neuron) for node in network.activations}
    return SpikingNetwork(network, Plan(sites, Steady(8), coding=IntegrateEncoder()))


def _perceptron(inputs: int, hidden: int, classes: int = 4, levels: int = 0) -> Network:
    random = torch.Generator().manual_seed(inputs + hidden)
    weights = [torch.randn(hidden, inputs, generator=random), torch.randn(classes, hidden, generator=random)]
    if levels:
        weights = [weight.sign() for weight in weights]
    return Network(
        (
            Input("x", (), (inputs,)),
            Linear("fc1", ("x",), weights[0]),
            Activation("relu", ("fc1",), ReLU()),
            Linear("fc2", ("relu",), weights[1]),
        ),
        ("fc2",),
        "perceptron",
    )


def _convolution(channels: int, outputs: int, size: int, kernel: int = 3, stride: int = 1, pool: int = 1) -> Network:
    random = torch.Generator().manual_seed(0)
    padding = kernel // 2
    nodes: list[object] = [
        Input("x", (), (channels, size, size)),
        Conv(
            "conv",
            ("x",),
            torch.randn(outputs, channels, kernel, kernel, generator=random),
            None,
            (stride, stride),
            (padding, padding),
            (1, 1),
        ),
        Activation("relu", ("conv",), ReLU()),
    ]
    side = (size + 2 * padding - kernel) // stride + 1
    if pool > 1:
        nodes.append(AvgPool("pool", ("relu",), (pool, pool), (pool, pool), (0, 0)))
        side //= pool
    nodes += [
        Reshape("flat", (nodes[-1].name,), (outputs * side * side,)),  # type: ignore[attr-defined]
        Linear("fc", ("flat",), torch.randn(3, outputs * side * side, generator=random)),
    ]
    return Network(tuple(nodes), ("fc",), "convolution")  # type: ignore[arg-type]


def _limits(fit: Fit) -> list[tuple[str, str]]:
    return [(one.layer, one.limit) for one in fit.broken]


def _spiking_outputs(spiking: SpikingNetwork) -> SpikingNetwork:
    return SpikingNetwork(
        spiking.network,
        refine.spiking_output(spiking.plan, spiking.network, torch.rand(4, *spiking.network.inputs[0].shape)),
    )


# Facts


def test_every_chip_states_its_sources() -> None:
    assert {chip.name for chip in hardware.ALL} == {"loihi2", "speck", "spinnaker2", "xylo", "truenorth", "fpga"}
    for chip in hardware.ALL:
        assert chip.sources
        assert all(
            "http" in source or "doi:" in source or "arXiv" in source or "," in source for source in chip.sources
        )
        assert hardware.find(chip.name) is chip
    with pytest.raises(UnknownName, match="did you mean 'loihi2'"):
        hardware.find("loihi")


def test_specks_memory_is_that_of_its_documentation() -> None:
    """The example there: 16 to 32 channels, 3x3, 64x64 pixels takes 8 Ki weights and 128 Ki neurons."""
    network = _convolution(16, 32, 64)
    layer = layers_of(portable(_spiking(network)))[0]
    assert speck.kernel_memory(layer) == 8 * 1024
    assert layer.neurons == 128 * 1024
    assert ("relu", "memory of a core") in _limits(hardware.check(_spiking(network), speck.CHIP))


def test_layers_are_counted_as_they_are() -> None:
    network = load(zoo.load("mnist-cnn"), torch.rand(2, 1, 28, 28))
    plan = methods.model_norm(network, steps=8)
    first, second, last = layers_of(portable(fixed_point(network, plan)))
    assert (first.neurons, first.weights, first.fan_in) == (16 * 24 * 24, 16 * 25, 25)
    assert (second.neurons, second.weights, second.fan_in) == (16 * 8 * 8, 16 * 16 * 25, 16 * 25 * 4)
    assert (last.neurons, last.weights, last.fan_in, last.site) == (10, 10 * 256, 256 * 4, None)
    assert (first.readers, second.readers, last.readers) == (1, 1, 0)


# Verdicts


def test_mnist_cnn_fits_speck_once_its_advice_is_followed() -> None:
    network = load(zoo.load("mnist-cnn"), torch.rand(2, 1, 28, 28))
    spiking = SpikingNetwork(network, methods.model_norm(network, steps=8))
    fit = hardware.check(spiking, speck.CHIP)
    assert not fit.fits
    assert ("", "input") in _limits(fit)
    assert ("fc", "output") in _limits(fit)
    assert {one.option for one in fit.broken} >= {
        Argument("coding", IntegrateEncoder()),
        Argument("refine", "spiking_output"),
    }
    spiking = SpikingNetwork(network, replace(spiking.plan, coding=IntegrateEncoder()))
    fit = hardware.check(_spiking_outputs(spiking), speck.CHIP)
    assert fit.fits, fit.broken
    assert (fit.cores, fit.membrane_bits) == (3, 16)


_BREAKING: dict[str, tuple[Callable[[], SpikingNetwork], Chip, str, str]] = {
    "kernel": (lambda: _spiking(_convolution(1, 2, 32, kernel=17)), speck.CHIP, "relu", "kernel"),
    "stride": (lambda: _spiking(_convolution(1, 2, 30, stride=3)), speck.CHIP, "relu", "stride"),
    "pool": (lambda: _spiking(_convolution(1, 2, 30, pool=3)), speck.CHIP, "fc", "sum pool"),
    "map": (lambda: _spiking(_convolution(1, 2, 65)), speck.CHIP, "relu", "map"),
    "bursts": (lambda: _spiking(_convolution(1, 2, 8), Burst(4)), speck.CHIP, "relu", "spikes"),
    "signed": (lambda: _spiking(_convolution(1, 2, 8), SignedIntegrateFire()), speck.CHIP, "relu", "spikes"),
    "xylo inputs": (lambda: _spiking(_perceptron(17, 20)), xylo.CHIP, "relu", "input channels"),
    "xylo neurons": (lambda: _spiking(_perceptron(8, 1001)), xylo.CHIP, "", "hidden neurons"),
    "xylo outputs": (lambda: _spiking(_perceptron(8, 60, 9)), xylo.CHIP, "fc2", "output neurons"),
    "xylo fan-in": (lambda: _spiking(_perceptron(8, 64)), xylo.CHIP, "fc2", "fan-in"),
    "truenorth": (
        lambda: _spiking(_perceptron(8, 64)),
        hardware.find("truenorth"),
        "relu",
        "different weights of a neuron",
    ),
    "truenorth fan-in": (lambda: _spiking(_perceptron(300, 8)), hardware.find("truenorth"), "relu", "fan-in"),
}


@pytest.mark.parametrize("case", _BREAKING)
def test_the_limit_that_is_broken_is_named(case: str) -> None:
    make, chip, layer, limit = _BREAKING[case]
    broken = hardware.check(make(), chip).broken
    named = [one for one in broken if (one.layer, one.limit) == (layer, limit)]
    assert named, broken
    assert named[0].fix


@pytest.mark.parametrize(
    ("network", "name"),
    [
        (_perceptron(16, 63, 8), "xylo"),
        (_perceptron(100, 200, levels=3), "truenorth"),
        (_convolution(2, 8, 34, pool=2, stride=2), "speck"),
        (_perceptron(784, 1200), "loihi2"),
        (_perceptron(784, 1200), "spinnaker2"),
        (_perceptron(784, 1200), "fpga"),
    ],
)
def test_networks_within_the_limits_fit(network: Network, name: str) -> None:
    fit = hardware.check(_spiking_outputs(_spiking(network)), hardware.find(name))
    assert fit.fits, fit.broken
    assert fit.cores <= fit.chip.cores
    assert "fits" in str(fit)


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(hardware.ALL))
def test_what_fits_still_fits_when_it_is_smaller(hidden: int, less: int, chip: Chip) -> None:
    large, small = (hardware.check(_spiking(_perceptron(12, size)), chip) for size in (hidden + less, hidden))
    assert small.cores <= large.cores
    assert set(_limits(small)) <= set(_limits(large)) | {("", "membrane bits")}


def test_cores_follow_from_neurons_weights_and_memory() -> None:
    fit = hardware.check(_spiking(_perceptron(64, 1000)), hardware.find("truenorth"))
    assert [need.cores for need in fit.needs] == [4, 1]
    fit = hardware.check(_spiking(_perceptron(784, 1200)), hardware.find("spinnaker2"))
    bits = 784 * 1200 * 8 + 1200 * 32
    assert fit.needs[0].cores == -(-bits // (128 * 1024 * 8))


def test_a_chip_that_is_too_small_says_how_many_are_needed() -> None:
    tiny = replace(hardware.find("loihi2"), cores=1, neurons_per_core=100)
    fit = hardware.check(_spiking(_perceptron(12, 450)), tiny)
    assert fit.cores == 6
    assert "use 6 chips" in str(fit.broken[-1])


def test_what_cannot_be_integers_is_still_held_against_the_other_limits() -> None:
    network = load(zoo.load("mnist-cnn"), torch.rand(2, 1, 28, 28))
    plan = methods.few_spikes(network, torch.rand(8, 1, 28, 28), steps=4)
    fit = hardware.check(SpikingNetwork(network, plan), speck.CHIP)
    limits = _limits(fit)
    assert limits[0] == ("", "integers")
    assert ("relu1", "neuron") in limits
    assert [need.neurons for need in fit.needs] == [9216, 1024, 10]


def test_max_pools_and_bits() -> None:
    builder = Builder((2, 6, 8), 1, bias=True)
    builder.block("conv")
    last = builder.nodes[-1].name
    nodes = (*builder.nodes, MaxPool("max", (last,), (2, 2), (2, 2), (0, 0), (1, 1)))
    spiking = _spiking(Network(nodes, ("max",), "pooled"))
    assert "max pool" in {limit for _, limit in _limits(hardware.check(spiking, speck.CHIP))}
    assert "max pool" not in {limit for _, limit in _limits(hardware.check(spiking, hardware.find("spinnaker2")))}
    assert ("", "weight bits") in _limits(hardware.check(spiking, speck.CHIP, bits=10))
    with pytest.raises(InvalidOption, match="lowered to 4 to 16 bits, not to 3"):
        hardware.check(spiking, speck.CHIP, bits=3)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    respike = Runner(capsys)
    fits = respike("check", "mnist-cnn", "--method", "model_norm", "--steps", 8, "--target", "loihi2")
    assert (fits.code, "it fits: 4 of 128 cores" in fits.out, "Sources:" in fits.out) == (0, True, True)
    not_yet = respike("check", "mnist-cnn", "--method", "model_norm", "--steps", 8, "--target", "speck")
    assert (not_yet.code, "it does not fit" in not_yet.out) == (1, True)
    assert "--coding integrate" in not_yet.out
    assert "--refine spiking_output" in not_yet.out
    words = ("--coding", "integrate", "--refine", "spiking_output")
    fits = respike("check", "mnist-cnn", "--method", "model_norm", "--steps", 8, "--target", "speck", *words)
    assert fits.code == 0, fits.out
    given = ("check", "mnist-mlp", "--method", "calibrated", "--steps", 8, "--calibration", 20, "--target", "loihi2")
    broken = respike(*given)
    assert (broken.code, "1 limit is broken" in broken.out) == (1, True)
    assert "the method calibrated does so with --no-each-step" in " ".join(broken.out.split())
    assert respike(*given, "--no-each-step").code == 0
    assert "did you mean 'speck'" in respike.refused("check", "mnist-cnn", "--method", "model_norm", "--target", "spek")


def test_the_page_lists_every_chip() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hardware" / "index.md").read_text()
    for chip in hardware.ALL:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{chip.name}` |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1:5] == [chip.title, f"{chip.cores:,}", str(chip.weight_bits), str(chip.membrane_bits)]
