"""What an error advises works: the network is refused, and loads once the advice is followed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from torch import Tensor, nn
from torch.export import Dim, export

from frontends.keras_models import keras, layers
from frontends.onnx_models import graph, numbers, one, written
from frontends.torch_models import Function
from respike import load
from respike.errors import InvalidFile, InvalidNetwork, RespikeError
from respike.frontends.keras.original import quiet

Spelling = Callable[[nn.Module, Tensor], Any]

TORCH: list[tuple[Spelling, str, Spelling]] = [
    (lambda m, x: F.dropout(x), "training=self.training", lambda m, x: F.dropout(x, training=m.training)),
    (lambda m, x: F.rrelu(x, training=True), "training=self.training", lambda m, x: F.rrelu(x, training=m.training)),
    (
        lambda m, x: torch.where(x < 0, torch.zeros_like(x), torch.where(x > 1, torch.ones_like(x), x)),
        r"1 part.*\n.*where \(function\): .*torch.clamp",
        lambda m, x: torch.clamp(x, 0, 1),
    ),
    (lambda m, x: x * (x > 0), "F.relu", lambda m, x: F.relu(x)),
    (lambda m, x: torch.where(x > 0, x, 0.1 * x), "F.leaky_relu", lambda m, x: F.leaky_relu(x, 0.1)),
    (lambda m, x: (x * 8).round() / 8, "leave the rounding out", lambda m, x: (x * 8) / 8),
    (lambda m, x: (x * 8).round() / 8, "clamp what it rounds", lambda m, x: (x * 8).clamp(-4, 4).round() / 8),
    (
        lambda m, x: torch.div(x.clamp(0, 3), 0.3, rounding_mode="trunc"),
        'rounding_mode="floor"',
        lambda m, x: torch.div(x.clamp(0, 3), 0.3, rounding_mode="floor"),
    ),
    (lambda m, x: x.clamp(0, 3).trunc(), "torch.floor behind a clamp at 0", lambda m, x: x.clamp(0, 3).floor()),
    (
        lambda m, x: x + torch.randn(4),
        "draw its numbers once and keep them as a buffer",
        lambda m, x: x + m.get_buffer("constant").flatten(),
    ),
    (lambda m, x: x + torch.rand_like(x), "keep them as a buffer", lambda m, x: x + m.get_buffer("constant").flatten()),
    (lambda m, x: x * x.amax(), "samples must not be mixed", lambda m, x: x * x.amax((1, 2), keepdim=True)),
    (
        lambda m, x: x * x.max().item(),
        r"x.amax\(\(1, 2\), keepdim=True\)",
        lambda m, x: x * x.amax((1, 2), keepdim=True),
    ),
    (
        lambda m, x: x.narrow(1, 0, 1) + x[0, 0].argmax().item(),
        r"keep it a tensor|order that depends on the data|dimension 0, the batch",
        lambda m, x: x.narrow(1, 0, 1) + x[:, :1].amax(2, keepdim=True),
    ),
    (lambda m, x: x**4, "write it as products", lambda m, x: x * x * x * x),
    (
        lambda m, x: F.bilinear(x, x, torch.full((5, 4, 4), 0.3)),
        "a linear layer of one, a product with the other, and a sum",
        lambda m, x: (F.linear(x, torch.full((20, 4), 0.3)).reshape(-1, 3, 5, 4) * x.unsqueeze(-2)).sum(-1),
    ),
    (
        lambda m, x: x.index_add(1, torch.tensor([0]), -x[:, :1]),
        "choose by a fixed mask with torch.where",
        lambda m, x: torch.where(torch.tensor([[True], [False], [False]]), torch.zeros_like(x), x),
    ),
    (
        lambda m, x: x.gather(1, torch.zeros(x.shape[0], 1, 4, dtype=torch.long)),
        "index_select",
        lambda m, x: x.index_select(1, torch.tensor([0])),
    ),
    (lambda m, x: F.threshold(x, 0.2, 0.0), "threshold = value", lambda m, x: F.threshold(x, 0.2, 0.2)),
    (lambda m, x: x.sort(-1)[0], "remove it", lambda m, x: x),
    (lambda m, x: F.pad(x, (1, 1), value=-1e999), "a finite number", lambda m, x: F.pad(x, (1, 1), value=-1e3)),
    (lambda m, x: x.repeat(1, 1, 1, 2), "unsqueeze the input", lambda m, x: x.unsqueeze(1).repeat(1, 1, 1, 2)),
    (lambda m, x: x.roll(1), "name the dimensions", lambda m, x: x.roll(1, 1)),
    (lambda m, x: F.softplus(x, 2.0, 1.0), "threshold=20", lambda m, x: F.softplus(x, 2.0)),
    (lambda m, x: torch.exp(x), "replace it by one", lambda m, x: F.silu(x)),
    (lambda m, x: x.norm(dim=1, keepdim=True), "use BatchNorm, LayerNorm", lambda m, x: F.layer_norm(x, (4,))),
    (
        lambda m, x: F.max_pool1d(x, 2, return_indices=True)[1],
        "only the values",
        lambda m, x: F.max_pool1d(x, 2, return_indices=True)[0],
    ),
]


@pytest.mark.parametrize(("refused", "reason", "mended"), TORCH)
def test_torch(refused: Spelling, reason: str, mended: Spelling) -> None:
    x = torch.randn(2, 3, 4)
    with pytest.raises(RespikeError, match=reason) as caught:
        load(Function(refused), x)
    assert "please report" not in str(caught.value)
    load(Function(mended), x)


def _small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()


def test_torchscript(tmp_path: Path) -> None:
    model, x = _small(), torch.rand(2, 1, 8, 8)
    script = torch.jit.trace(model, x)  # type: ignore[no-untyped-call]
    torch.jit.save(script, tmp_path / "script.pt")
    again = _small()
    with pytest.raises(InvalidNetwork, match=r"^the module \(\w+\) is a TorchScript.*load_state_dict\(script.state_d"):
        load(script, x)
    with pytest.raises(InvalidNetwork, match=r"^1 \(\w+\) is a TorchScript"):
        load(nn.Sequential(nn.Identity(), script).eval(), x)
    again.load_state_dict(script.state_dict())
    torch.testing.assert_close(load(again, x)(x), model(x))
    with pytest.raises(InvalidFile, match=r"TorchScript.*torch.jit.load\(path\).state_dict\(\)"):
        load(tmp_path / "script.pt")
    again.load_state_dict(torch.jit.load(tmp_path / "script.pt").state_dict())  # type: ignore[no-untyped-call]
    load(again, x)


def test_number_types_that_change_on_the_way() -> None:
    model, x = _small(), torch.rand(2, 1, 8, 8)
    model[3].double()
    cast = nn.Sequential(model[:3], Function(lambda m, y: y.double()), model[3])
    with pytest.raises(RespikeError, match=r"leave the cast out, or .* one type, as model\.float\(\) does"):
        load(cast.eval(), x)
    load(model.float(), x)
    with pytest.raises(RespikeError, match="leave the cast out"):
        load(Function(lambda m, y: y.half().float()), x)


def test_programs_with_open_sizes() -> None:
    model, x = _small(), torch.rand(2, 1, 8, 8)
    sizes = {0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO}
    with pytest.raises(InvalidNetwork, match=r"only the batch may be dynamic.*Dim\.AUTO"):
        load(export(nn.Conv2d(1, 4, 3).eval(), (x,), dynamic_shapes=(sizes,)))
    load(export(model, (x,), dynamic_shapes=({0: Dim.AUTO},)))


def test_lazy_and_quantised_modules() -> None:
    x = torch.rand(2, 6)
    lazy = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.Linear(4, 2)).eval()
    with pytest.raises(InvalidNetwork, match=r"0 \(LazyLinear\) is lazy .*call the model once"):
        load(lazy, x)
    lazy(x)
    load(lazy, x)
    with warnings.catch_warnings(action="ignore"):
        quantised = torch.ao.quantization.quantize_dynamic(lazy, {nn.Linear})  # type: ignore[no-untyped-call]
    with pytest.raises(InvalidNetwork, match=r"0 \(Linear\) is quantised; load the network before"):
        load(quantised, x)


def test_networks_that_are_random_or_keep_state_are_no_error_of_respike() -> None:
    class Counting(nn.Module):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x * self.calls

    with pytest.raises(InvalidNetwork, match="other outputs for the same batch a second time"):
        load(Counting().eval(), torch.rand(2, 3))


def test_networks_whose_outputs_depend_on_the_calls_before_are_refused_at_once() -> None:
    class Remembering(nn.Module):
        before: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            result = x if self.before is None else x + self.before
            self.before = x.detach()
            return result

    class Calling(nn.Module):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x if self.calls < 3 else -x

    with pytest.raises(InvalidNetwork, match="keeps what it computes for the next call"):
        load(Remembering().eval(), torch.rand(2, 3))
    with pytest.raises(InvalidNetwork, match="other outputs for the same batch a second time"):
        load(Calling().eval(), torch.rand(2, 3))


def test_numbers_that_depend_on_the_size_of_the_batch() -> None:
    for function in (lambda m, x: x * x.shape[0], lambda m, x: x / x.size(0), lambda m, x: x + 0.5 * x.shape[0]):
        with pytest.raises(RespikeError, match="computes with the size of the batch"):
            load(Function(function), torch.rand(2, 3))
    for function in (lambda m, x: x * len(x), lambda m, x: x * float(len(x)), lambda m, x: F.relu(x) + len(x) / 7):
        for samples in (1, 2, 5):
            with pytest.raises(InvalidNetwork, match="change with the number of samples in its batch"):
                load(Function(function), torch.rand(samples, 3))


def test_a_size_of_the_batch_that_changes_no_output_does_no_harm() -> None:
    network = load(Function(lambda m, x: F.relu(x) if len(x) > 0 else x), torch.rand(2, 3))
    given = torch.rand(7, 3) - 0.5
    assert torch.equal(network(given), F.relu(given))


def floats(model: onnx.ModelProto, name: str = "x") -> onnx.ModelProto:
    """The model with its whole-number input cast to real numbers in front of everything."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for node in changed.graph.node:
        node.input[:] = [f"{name}_real" if value == name else value for value in node.input]
    changed.graph.node.insert(0, helper.make_node("Cast", [name], [f"{name}_real"], to=TensorProto.FLOAT))
    for value in (*changed.graph.output,):
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    return changed


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT64])
@pytest.mark.parametrize("operator", ["Div", "Mul", "Add", "Sub", "Max"])
def test_arithmetic_of_whole_numbers_in_onnx(operator: str, kind: int) -> None:
    divisor = onnx.numpy_helper.from_array(
        torch.tensor([7, 3, 5]).numpy().astype(helper.tensor_dtype_to_np_dtype(kind)), "k"
    )
    model = graph([helper.make_node(operator, ["x", "k"], ["y"], name="whole")], {"x": ["N", 3]}, {}, kind=kind)
    model.graph.initializer.append(divisor)
    x = torch.randint(1, 9, (4, 3)).float()
    with pytest.raises(RespikeError, match=r"whole \(\w+\): computes with whole numbers; cast them to real numbers"):
        load(model, x)
    mended = floats(model)
    mended.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(torch.tensor([7.0, 3.0, 5.0]).numpy(), "k"))
    load(mended, x)


@pytest.mark.parametrize("kind", [TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16])
def test_casts_of_whole_numbers_to_types_that_may_not_hold_them(kind: int) -> None:
    def cast(to: int) -> onnx.ModelProto:
        nodes = [helper.make_node("Cast", ["x"], ["k"], to=to), helper.make_node("Cast", ["k"], ["y"], to=1)]
        model = graph(nodes, {"x": ["N", 3]}, {}, kind=TensorProto.INT64)
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
        return model

    x = torch.tensor([[300.0, -70000.0, 3.0]])
    with pytest.raises(RespikeError, match="a type that may not hold them; cast them to int64"):
        load(cast(kind), x)
    torch.testing.assert_close(load(cast(TensorProto.INT64), x)(x), x)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_models_of_half_precision_with_inputs_and_outputs_of_float32(kind: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 4)
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=kind),
        helper.make_node("Cast", ["w"], ["v"], to=kind),
        helper.make_node("MatMul", ["h", "v"], ["p"]),
        helper.make_node("Cast", ["p"], ["y"], to=TensorProto.FLOAT),
    ]
    x = torch.randn(5, 6)
    torch.testing.assert_close(load(graph(nodes, {"x": ["N", 6]}, {"w": weight}), x)(x), x @ weight)


def test_whole_numbers_are_moved_exactly() -> None:
    for kind in (TensorProto.UINT16, TensorProto.INT64, TensorProto.UINT8):
        model = graph([helper.make_node("Transpose", ["x"], ["y"], perm=[0, 2, 1])], {"x": ["N", 2, 3]}, {}, kind=kind)
        x = torch.randint(0, 200, (4, 2, 3)).float()
        torch.testing.assert_close(load(model, x)(x), x.transpose(1, 2))


SCALE = "step = Constant<value = float {0.1}>() zero = Constant<value = int8 {0}>()"
ONNX: list[tuple[onnx.ModelProto, str, onnx.ModelProto]] = [
    (
        written("y, m = LayerNormalization(x, s)", "float[N,4] x", 17, "float[N,4] y, float[N,1] m"),
        "the output 'm' is a second result.*remove it from the model's outputs",
        written("y = LayerNormalization(x, s)", "float[N,4] x", 17),
    ),
    (
        written(
            "y = Relu(x) c = Constant<value_floats = [1.0, 2.0]>()", "float[N,4] x", outputs="float[N,4] y, float[2] c"
        ),
        "the output 'c' does not depend on the input; remove it",
        written("y = Relu(x)", "float[N,4] x"),
    ),
    (
        written("y = Transpose<perm = [1, 0]>(x)", "float[N,4] x", outputs="float[4,N] y"),
        "the output 'y' has the batch in dimension 1; transpose it back",
        written("t = Transpose<perm = [1, 0]>(x) y = Transpose<perm = [1, 0]>(t)", "float[N,4] x"),
    ),
    (
        written("z = Constant<value_float = 0.0>() m = Less(z, x) y = Where(m, x, z)", "float[N,4] x"),
        r"1 part.*\n.*Where\): chooses by values",
        written("y = Relu(x)", "float[N,4] x"),
    ),
    (one("Floor", (4,)), "leave the rounding out", one("Identity", (4,))),
    (
        written("d, t, o = DynamicQuantizeLinear(x) y = DequantizeLinear(d, t, o)", "float[N,4] x"),
        "quantise in the QDQ format",
        written(f"{SCALE} q = QuantizeLinear(x, step, zero) y = DequantizeLinear(q, step, zero)", "float[N,4] x"),
    ),
    (one("Shrink", (4,), lambd=0.5, bias=0.0), "make them equal", one("Shrink", (4,), lambd=0.5, bias=0.5)),
    (
        written("r = RandomNormal<shape = [4]>() y = Add(x, r)", "float[N,4] x"),
        "is random",
        one("Add", (4,), numbers(4)),
    ),
]
for models in ONNX:
    for model in models[::2]:
        assert isinstance(model, onnx.ModelProto)
        if any("s" in node.input for node in model.graph.node):
            model.graph.initializer.append(onnx.numpy_helper.from_array(torch.ones(4).numpy(), "s"))


@pytest.mark.parametrize(("refused", "reason", "mended"), ONNX)
def test_onnx(refused: onnx.ModelProto, reason: str, mended: onnx.ModelProto) -> None:
    x = torch.randn(2, 4)
    with pytest.raises(RespikeError, match=reason):
        load(refused, x)
    load(mended, x)


KERAS: list[tuple[Callable[[Any], Any], str, Callable[[Any], Any]]] = [
    (
        lambda x: layers.Bidirectional(layers.LSTM(3))(x),
        "go_backwards=True, flip the second one's outputs, concatenate",
        lambda x: layers.Concatenate()([layers.LSTM(3)(x), layers.LSTM(3, go_backwards=True)(x)]),
    ),
    (lambda x: layers.ReLU(threshold=0.5)(x), "set threshold=0", lambda x: layers.ReLU()(x)),
    (lambda x: layers.TimeDistributed(layers.Dense(2))(x), "use that layer itself", lambda x: layers.Dense(2)(x)),
    (lambda x: x + keras.ops.mean(x, 1), "reshape the smaller one", lambda x: x + keras.ops.mean(x, 1, keepdims=True)),
    (lambda x: keras.ops.roll(x, 1), "name the axis", lambda x: keras.ops.roll(x, 1, 1)),
]


@pytest.mark.parametrize(("refused", "reason", "mended"), KERAS)
def test_keras(refused: Callable[[Any], Any], reason: str, mended: Callable[[Any], Any]) -> None:
    with quiet():
        x = keras.Input((4, 4))
        wrong, right = keras.Model(x, refused(x)), keras.Model(x, mended(x))
    with pytest.raises(RespikeError, match=reason):
        load(wrong)
    load(right)


def test_layers_of_an_h5_file_are_no_operators(tmp_path: Path) -> None:
    with quiet():
        x = keras.Input((8, 8, 3))
        y = layers.SpatialDropout2D(0.2)(layers.Conv2D(4, 3)(x))
        keras.Model(x, layers.Dense(2)(layers.Flatten()(y))).save(tmp_path / "net.h5")
    load(tmp_path / "net.h5", torch.rand(2, 8, 8, 3))
