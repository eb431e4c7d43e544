"""The Triton kernels against the definitions, on a GPU where there is one, else in Triton's interpreter.

That they compile for GPUs is tested everywhere. What an interpreter cannot show is the machine's own arithmetic, and
how it multiplies bf16.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from networks import Builder, images, networks, perceptrons
from respike import engines, methods
from respike.coding import Bernoulli, Coding, ConstantCurrent, IntegrateEncoder
from respike.cost import fan_outs
from respike.engines import fused
from respike.engines.fused import IntegerProducts, SplitProducts
from respike.errors import InvalidOption
from respike.ir import Linear, Network, Reshape, map_tensors
from respike.lower import fixed_point, unit_spikes
from respike.neurons import Above, IntegrateFire, Neuron, SignedIntegrateFire, State, ToValue, TracedState
from respike.plan import Plan, Site, SpikeCount
from respike.record import INPUT, Probe, Recording
from respike.schedule import InputThenDrain, Steady

NEEDS_TRITON = pytest.mark.skipif(not fused.available(), reason="Triton is not installed")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
torch.backends.cudnn.allow_tf32 = False
NEURONS: list[Neuron] = [
    IntegrateFire(),
    IntegrateFire(fires=Above()),
    IntegrateFire(ToValue(0.0)),
    IntegrateFire(ToValue(-0.3), Above()),
    SignedIntegrateFire(),
]
FLOATS = [torch.float32, torch.float64]


@NEEDS_TRITON
@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@settings(max_examples=8, derandomize=True, deadline=None)
@given(
    dtype=st.sampled_from(FLOATS),
    shape=st.sampled_from([(1, 1), (2, 3), (3, 2, 5), (2, 3, 10, 9)]),
    steps=st.integers(1, 9),
    changing=st.booleans(),
    per_channel=st.booleans(),
    dyadic=st.booleans(),
    channels_last=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_fired_as_by_definition(
    neuron: Neuron,
    dtype: torch.dtype,
    shape: tuple[int, ...],
    steps: int,
    changing: bool,
    per_channel: bool,
    dyadic: bool,
    channels_last: bool,
    seed: int,
) -> None:
    """Bit for bit: potentials too. With dyadic numbers many potentials are at the threshold exactly."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*size: int) -> Tensor:
        numbers = torch.randn(*size, generator=generator, dtype=dtype)
        numbers = (8 * numbers).round() / 8 if dyadic else numbers
        return numbers.transpose(1, -1).contiguous().transpose(1, -1) if channels_last and len(size) > 1 else numbers

    currents, potential = draw(steps if changing else 1, *shape), draw(*shape)
    threshold = draw(shape[1] if per_channel else 1).abs() + 0.25
    extra, total = draw(1), draw(*shape).round()
    state = neuron.start(potential)
    state = dataclasses.replace(state, total=total) if isinstance(state, TracedState) else state
    kernel = fused.kernel_of(neuron)
    assert kernel is not None
    there = dataclasses.replace(state, **{name: value.to(DEVICE) for name, value in _tensors(state).items()})
    found = fused.fire(kernel, there, currents.to(DEVICE), threshold.to(DEVICE), extra.to(DEVICE), steps)
    counts = torch.zeros_like(potential)
    broadcast = threshold.reshape(1, -1, *[1] * (len(shape) - 2))
    for number in range(steps):
        current = currents[number if changing else 0] + extra
        state, spikes = neuron.step(state, current, broadcast)
        counts = counts + spikes
        assert torch.equal(found.spikes[number].cpu(), spikes.to(torch.int8))
    assert found.spikes.dtype == torch.int8
    assert torch.equal(found.counts.cpu(), counts)
    for field in dataclasses.fields(state):
        expected = getattr(state, field.name)
        assert torch.equal(torch.as_tensor(getattr(found.state, field.name)).cpu(), torch.as_tensor(expected)), (
            field.name
        )


def _tensors(state: State) -> dict[str, Any]:
    found = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


@NEEDS_TRITON
@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@settings(max_examples=3, derandomize=True, deadline=None)
@given(
    network=networks(),
    coding=st.sampled_from([ConstantCurrent(), Bernoulli(rate=600.0, seed=3), IntegrateEncoder()]),
    schedule=st.sampled_from([Steady(4), InputThenDrain(2, 3), InputThenDrain(2, 3, bias_while_draining=True)]),
    counted=st.booleans(),
    memory=st.sampled_from([3000, 10**8]),
)
def test_engine_gives_the_reference_engines_spikes(
    network: Network,
    neuron: Neuron,
    coding: Coding,
    schedule: Steady | InputThenDrain,
    counted: bool,
    memory: int,
) -> None:
    def site(name: str) -> Site:
        channels = network.shapes[name][0]
        small = torch.linspace(-0.01, 0.02, channels)
        return Site(torch.linspace(0.3, 1.2, channels), 0.6, 10 * small, small, neuron)

    plan = Plan({node.name: site(node.name) for node in network.activations}, schedule, coding)
    plan = dataclasses.replace(plan, readout=SpikeCount(site("fc"))) if counted else plan
    probe = Probe(spikes=(*plan.sites, INPUT), potentials=tuple(plan.sites), fan_out=fan_outs(network))
    found = engines.batched(network.to(DEVICE), plan, images(network, 2), probe, memory=memory, fused=True)
    expected = engines.reference(network, plan, images(network, 2), probe)
    assert_same(expected, found, 1e-9)
    single = network.to(torch.float32).to(DEVICE)  # where orders of summation flip ties, the torch loop is the measure
    found = engines.batched(single, plan, images(network, 2), probe, memory=memory, fused=True)
    assert_same(engines.batched(single, plan, images(network, 2), probe, memory=memory, fused=False), found, 0.0)


def assert_same(expected: Recording, found: Recording, tolerance: float) -> None:
    for kind in ("spikes", "spike_counts", "spikes_per_step", "operations_per_step"):
        assert_all_equal(getattr(expected, kind), getattr(found, kind), 0.0)
    assert_all_equal(expected.potentials, found.potentials, tolerance)
    assert torch.allclose(expected.outputs_over_time.cpu(), found.outputs_over_time.cpu(), rtol=0, atol=tolerance)


def assert_all_equal(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], tolerance: float) -> None:
    assert expected.keys() == found.keys()
    for name in expected:
        assert expected[name].dtype == found[name].dtype, name
        assert torch.allclose(expected[name].cpu(), found[name].cpu(), rtol=0, atol=tolerance), name


@NEEDS_TRITON
def test_few_spikes_neurons_stay_with_torch() -> None:
    network = _perceptron().to(DEVICE)
    plan = methods.few_spikes(network, images(network, 20), steps=4)
    loop, kernels = (engines.batched(network, plan, images(network, 3), fused=on) for on in (False, True))
    assert_same(loop, kernels, 0.0)


def _perceptron() -> Network:
    builder = Builder((5,), 1)
    builder.put(Linear("first", ("x",), builder.random(8, 5), builder.random(8) / 4))
    builder.relu()
    builder.put(Linear("hidden", (builder.last,), builder.random(7, 8), builder.random(7) / 4))
    builder.relu()
    builder.put(Linear("out", (builder.last,), builder.random(3, 7)))
    return Network(tuple(builder.nodes), ("out",))


def _convolutional(seed: int) -> Network:
    """A convolution whose spikes a linear layer reads, flattened."""
    builder = Builder((2, 4, 3), seed)
    builder.conv(3)
    builder.relu()
    builder.put(Reshape("flatten", (builder.last,), (36,)))
    builder.put(Linear("out", ("flatten",), builder.random(3, 36)))
    return Network(tuple(builder.nodes), ("out",))


def _pooled() -> Network:
    """Convolutions, a max pool, a batch norm and a residual."""
    builder = Builder((2, 6, 5), 2)
    builder.conv(3)
    builder.relu()
    for kind in ("maxpool", "batchnorm", "residual"):
        builder.block(kind)
    return builder.network()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.floats(width=32, min_value=2.0**-100, max_value=2.0**127), min_size=1, max_size=20), st.booleans())
def test_three_bf16_hold_a_float32(values: list[float], negative: bool) -> None:
    weight = torch.tensor([values]) * (-1 if negative else 1)
    pieces = SplitProducts().pieces(Linear("fc", ("x",), weight))
    assert pieces.dtype == torch.bfloat16
    assert torch.equal(pieces.double().sum(0), weight.double())


@NEEDS_TRITON
@settings(max_examples=8, derandomize=True, deadline=None)
@given(rows=st.integers(1, 80), outputs=st.integers(1, 80), inputs=st.integers(1, 150), seed=st.integers(0, 2**31))
def test_split_products(rows: int, outputs: int, inputs: int, seed: int) -> None:
    """Exact where the sums are (whole numbers below 2^24), else as near as sums in float32 are."""
    generator = torch.Generator().manual_seed(seed)
    spikes = torch.randint(-1, 2, (rows, 2, inputs), generator=generator).float().transpose(0, 1)
    whole = torch.randint(-(2**16), 2**16, (outputs, inputs), generator=generator).float() / 2**10
    pieces = SplitProducts().pieces(Linear("fc", ("x",), whole))
    assert torch.equal(_product(spikes, pieces), spikes @ whole.t())
    weight = torch.randn(outputs, inputs, generator=generator)
    found = _product(spikes, SplitProducts().pieces(Linear("fc", ("x",), weight)))
    error = (found.double() - spikes.double() @ weight.double().t()).abs()
    assert bool((error <= 3 * inputs * 2.0**-24 * (spikes.abs() @ weight.abs().t()) * 1.01).all())


@NEEDS_TRITON
@settings(max_examples=8, derandomize=True, deadline=None)
@given(rows=st.integers(1, 80), outputs=st.integers(1, 80), inputs=st.integers(1, 150), seed=st.integers(0, 2**31))
def test_integer_products(rows: int, outputs: int, inputs: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    spikes = torch.randint(-1, 2, (inputs, rows), generator=generator).double().t()
    weight = torch.randint(-128, 128, (outputs, inputs), generator=generator).double()
    pieces = IntegerProducts().pieces(Linear("fc", ("x",), weight))
    assert torch.equal(_product(spikes, pieces), spikes @ weight.t())


def _product(spikes: Tensor, pieces: Tensor) -> Tensor:
    return fused.product(spikes.to(DEVICE), pieces.to(DEVICE)).cpu()


@NEEDS_TRITON
@settings(max_examples=6, derandomize=True, deadline=None)
@given(network=st.one_of(perceptrons(), st.builds(_convolutional, st.integers(0, 9))), signed=st.booleans())
def test_engine_with_integer_products(network: Network, signed: bool) -> None:
    """A network in fixed point has the reference engine's very numbers; convolutions stay with torch."""
    neuron = SignedIntegrateFire() if signed else IntegrateFire()
    plan = Plan({node.name: Site(0.6, neuron=neuron) for node in network.activations}, InputThenDrain(3, 2))
    fixed = fixed_point(network, plan)
    batch = fixed.encode(images(network, 2))
    probe = Probe(spikes=tuple(plan.sites), potentials=tuple(plan.sites))
    on_device = fixed.network.to(DEVICE)
    found = engines.batched(on_device, fixed.plan, batch, probe, fused=True, products=IntegerProducts())
    assert_same(engines.reference(fixed.network, fixed.plan, batch, probe), found, 0.0)


@NEEDS_TRITON
@settings(max_examples=6, derandomize=True, deadline=None)
@given(network=perceptrons(), schedule=st.sampled_from([Steady(6), InputThenDrain(3, 3)]))
def test_engine_with_split_products(network: Network, schedule: Steady | InputThenDrain) -> None:
    """In dyadic numbers every sum is exact in float32, so the reference engine in float64 has the same numbers.

    Biases are added while there is input, and not while draining.
    """
    dyadic = dataclasses.replace(
        network, nodes=tuple(map_tensors(node, lambda t: (64 * t).round() / 64) for node in network.nodes)
    )
    plan = Plan({node.name: Site(0.5, spike_value=1.0) for node in network.activations}, schedule)
    batch = (16 * images(network, 3)).round() / 16
    probe = Probe(spikes=tuple(plan.sites))
    expected = engines.reference(dyadic, plan, batch, probe)
    single = dyadic.to(torch.float32).to(DEVICE)
    found = engines.batched(single, plan, batch, probe, fused=True, products=SplitProducts())
    for name in plan.sites:
        assert torch.equal(expected.spikes[name], found.spikes[name].double().cpu()), name
    assert torch.equal(expected.outputs_over_time, found.outputs_over_time.double().cpu())


def test_without_triton_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respike.engines.fused.launch.available", lambda: False)
    network = _perceptron()
    plan = methods.max_norm(network, images(network, 20), steps=3)
    for options in ({"fused": True}, {"products": SplitProducts()}):
        with pytest.raises(InvalidOption, match=r"respike\[triton\]"):
            engines.batched(network, plan, images(network, 2), **options)


@pytest.mark.parametrize("on", [True, False], ids=["fused", "loop"])
@pytest.mark.parametrize("coding", [ConstantCurrent(), Bernoulli(seed=3), IntegrateEncoder()])
def test_nothing_leaves_the_device(on: bool, coding: Coding, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all tensors on the meta device, one that is made on the CPU meets them and fails, as it would on a GPU."""

    def checked(kernel: object, grid: object, *arguments: object, **constants: object) -> None:
        handed = [argument for argument in arguments if isinstance(argument, Tensor)]
        assert {tensor.device.type for tensor in handed} == {"meta"}
        assert all(tensor.is_contiguous() for tensor in handed)

    read = Tensor.__bool__
    monkeypatch.setattr(Tensor, "__bool__", lambda self: not self.is_meta and read(self))
    monkeypatch.setattr(Tensor, "__float__", lambda self: 0.5)
    monkeypatch.setattr("respike.engines.fused.firing.launch", checked)
    monkeypatch.setattr("respike.engines.fused.launch.available", lambda: True)
    monkeypatch.setitem(sys.modules, "respike.engines.fused.kernels", types.SimpleNamespace(integrate_fire=None))
    network = _pooled()
    fan_out = fan_outs(network)
    meta = network.to("meta")
    for neuron in NEURONS:
        site = Site(torch.ones(3), 0.6, torch.ones(3) / 8, 0.1, neuron)
        plan = Plan({node.name: site for node in meta.activations}, InputThenDrain(2, 2), coding)
        probe = Probe(spikes=(*plan.sites, INPUT), potentials=tuple(plan.sites), fan_out=fan_out)
        record = engines.batched(meta, plan, images(network, 2).to("meta"), probe, fused=on)
        kept = (record.spikes, record.spike_counts, record.potentials, record.operations_per_step)
        assert {tensor.device.type for part in kept for tensor in part.values()} == {"meta"}
        assert record.outputs_over_time.shape == (4, 2, 4)


@NEEDS_TRITON
def test_what_kernels_cannot_run_is_refused() -> None:
    network = _perceptron()
    plan = methods.max_norm(network, images(network, 20), steps=3)
    batch = images(network, 2)
    with pytest.raises(InvalidOption, match=r"float32 or float64, not torch\.bfloat16"):
        engines.batched(network.to(torch.bfloat16), plan, batch, fused=True)
    with pytest.raises(InvalidOption, match=r"here is none: see lower\.unit_spikes"):
        engines.batched(network, plan, batch, products=SplitProducts())
    unit, unit_plan = unit_spikes(network, plan)
    with pytest.raises(InvalidOption, match=r"'hidden' has weights of torch\.float64"):
        engines.batched(unit, unit_plan, batch, products=SplitProducts())
    with pytest.raises(InvalidOption, match="'hidden' has weights that are not int8"):
        engines.batched(unit, unit_plan, batch, products=IntegerProducts())
    with pytest.raises(InvalidOption, match="bf16 cannot hold"):
        SplitProducts().pieces(Linear("fc", ("x",), torch.tensor([[1.1e-38]])))


@NEEDS_TRITON
@pytest.mark.parametrize("kernel", ["float32", "float64", "bf16", "int8"])
def test_compiles_for_a_gpu(kernel: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """To machine code of an A100, which needs no GPU: an interpreter takes what the compiler does not."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from triton import language as tl

    from respike.engines.fused import kernels

    if kernel in ("float32", "float64"):
        constants = {"CHANGING": True, "INCLUSIVE": True, "SIGNED": True, "SUBTRACT": True, "BLOCK": 512}
        numbers = {"elements": "i32", "channels": "i32", "inner": "i32", "steps": "i32", "spikes": "*i8"}
        code = _compiled(kernels.integrate_fire, constants, numbers, "*fp32" if kernel == "float32" else "*fp64")
        assert "fma" not in code, "every operation must be rounded on its own"
        assert "ftz" not in code, "small numbers must not become zero"
    else:
        narrow, wide = (tl.bfloat16, tl.float32) if kernel == "bf16" else (tl.int8, tl.int32)
        tile = {"ROWS": 64, "COLUMNS": 64, "DEPTH": 64}
        constants = {"PIECES": 3 if kernel == "bf16" else 1, "FACTOR": narrow, "SUM": wide, **tile}
        numbers = {"rows": "i32", "outputs": "i32", "inputs": "i32", "size": "i32", "spikes": "*i8"}
        numbers["sums"] = "*fp32" if kernel == "bf16" else "*i32"
        code = _compiled(kernels.spikes_times_weights, constants, numbers, "*bf16" if kernel == "bf16" else "*i8")
        assert "mma.sync" in code, "products belong on tensor cores"


def _compiled(kernel: Any, constants: dict[str, Any], named: dict[str, str], others: str) -> str:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature = {name: named.get(name, others) for name in inspect.signature(kernel).parameters}
    signature |= dict.fromkeys(constants, "constexpr")
    source = ASTSource(triton.jit(kernel), signature, constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": False})
    assert compiled.asm["cubin"]
    return str(compiled.asm["ptx"])
