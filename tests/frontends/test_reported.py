"""Networks of others on which respike once fell short: each gives the right values, or what its error advises does."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from frontends.onnx_models import check, expected, graph, numbers
from frontends.torch_models import Function, trained
from respike import load
from respike.errors import InvalidNetwork, RespikeError, UnsupportedOperator
from respike.frontends.keras.original import quiet, run

Module = Callable[[nn.Module, Tensor], Tensor]


def equal(model: nn.Module, shape: tuple[int, ...]) -> None:
    """The network computes what the model computes, in its last place."""
    torch.manual_seed(0)
    model = trained(model).double()
    x = torch.randn(4, *shape, dtype=torch.float64)
    torch.testing.assert_close(load(model, x)(x).double(), model(x), rtol=1e-6, atol=1e-7)


class Behind(nn.Module):
    """Something done to what a convolution gives, and a readout of 3 classes."""

    def __init__(self, conv: nn.Module, what: Module, features: int) -> None:
        super().__init__()
        self.conv, self.what, self.head = conv, Function(what), nn.Linear(features, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.what(self.conv(x)).flatten(1))
        return out


def test_01_repetition_and_whatever_follows_it() -> None:
    conv = nn.Conv2d(3, 8, 3, padding=1)
    equal(Behind(conv, lambda m, x: F.relu(x).repeat(1, 2, 1, 1), 8 * 2 * 64), (3, 8, 8))
    equal(Behind(conv, lambda m, x: F.relu(x).repeat(1, 1, 2, 1).chunk(2, 2)[1], 8 * 64), (3, 8, 8))


def test_03_maximum_over_points() -> None:
    each = nn.Sequential(nn.Conv1d(3, 16, 1), nn.BatchNorm1d(16), nn.ReLU())
    equal(Behind(each, lambda m, x: torch.max(x, 2)[0], 16), (3, 20))
    equal(Behind(each, lambda m, x: torch.min(x, 2).values, 16), (3, 20))


def test_04_maximum_over_groups_of_channels() -> None:
    conv = nn.Conv2d(3, 8, 3)
    equal(Behind(conv, lambda m, x: x.view(x.shape[0], 4, 2, 6, 6).amax(2), 4 * 36), (3, 8, 8))


def test_05_dropout_that_is_always_on() -> None:
    x = torch.randn(4, 8)
    with pytest.raises(UnsupportedOperator, match=r"dropout.*training=self\.training.*nn\.Dropout"):
        load(Function(lambda m, x: F.dropout(F.relu(x), 0.5)), x)
    equal(Function(lambda m, x: F.dropout(F.relu(x), 0.5, training=m.training)), (8,))
    equal(nn.Sequential(nn.ReLU(), nn.Dropout(0.5)), (8,))


class Floor(torch.autograd.Function):
    """A rounding with a gradient of its own."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.floor()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient


@pytest.mark.parametrize("levels", [4, 8])
def test_07_clip_floor_shift(levels: int) -> None:
    def steps(_: nn.Module, x: Tensor) -> Tensor:
        out: Tensor = Floor.apply((x / 2.0).clamp(0, 1) * levels + 0.5) / levels * 2.0  # type: ignore[no-untyped-call]
        return out

    equal(Behind(nn.Conv2d(1, 4, 3), steps, 144), (1, 8, 8))


def test_08_an_activation_written_with_where() -> None:
    x = torch.randn(4, 8)
    with pytest.raises(UnsupportedOperator, match=r"1 part.*\n.*where \(function\).*torch\.clamp") as caught:
        load(
            Function(lambda m, x: torch.where(x < 0, torch.zeros_like(x), torch.where(x > 1, torch.ones_like(x), x))), x
        )
    assert str(caught.value).count("\n") == 1
    equal(Function(lambda m, x: torch.clamp(x, 0, 1)), (8,))


@pytest.mark.parametrize(
    "more",
    [
        lambda x: x.new_zeros(x.size(0), 2, 8, 8),
        lambda x: torch.ones_like(x[:, :2]),
        lambda x: x.new_full((x.size(0), 2, 8, 8), 0.3),
        lambda x: torch.full_like(x[:, :2], -0.5),
        lambda x: torch.zeros(x.shape[0], 2, 8, 8, dtype=x.dtype),
        lambda x: x.new_ones(x.size(0), 2, 8, 8),
    ],
)
def test_10_constants_of_a_signal_s_shape(more: Callable[[Tensor], Tensor]) -> None:
    conv = nn.Conv2d(1, 4, 3, padding=1)
    equal(Behind(conv, lambda m, x: torch.cat([F.relu(x), more(x)], 1), 6 * 64), (1, 8, 8))


def test_12_torchscript_through_its_weights() -> None:
    def made() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()

    model, again, x = made(), made(), torch.rand(4, 1, 8, 8)
    script = torch.jit.trace(model, x)  # type: ignore[no-untyped-call]
    with pytest.raises(InvalidNetwork, match=r"TorchScript.*load_state_dict\(script.state_dict\(\)\)") as caught:
        load(script, x)
    assert "TS2EPConverter" not in str(caught.value)
    again.load_state_dict(script.state_dict())
    torch.testing.assert_close(load(again, x)(x), model(x))


def test_20_clip_without_bounds() -> None:
    x = numbers(3, 4)
    network = check(graph([helper.make_node("Clip", ["x"], ["y"])], {"x": ["N", 4]}, {}), x)
    assert torch.equal(network(x), x)


@pytest.mark.parametrize("operator", ["Max", "Min"])
def test_21_extremes_of_one_two_and_three(operator: str) -> None:
    x = numbers(3, 4)
    values = [helper.make_node("Neg", ["x"], ["m"]), helper.make_node("Mul", ["x", "h"], ["k"])]
    for read in (["x"], ["x", "m"], ["x", "m", "k"]):
        nodes = [*values, helper.make_node(operator, read, ["y"])]
        check(graph(nodes, {"x": ["N", 4]}, {"h": torch.tensor(0.5)}), x)


@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap", "constant"])
def test_23_padding_of_every_mode(mode: str) -> None:
    pad = helper.make_node("Pad", ["x", "p"], ["y"], mode=mode)
    check(graph([pad], {"x": ["N", 4, 8, 8]}, {"p": torch.tensor([0, 0, 1, 2, 0, 0, 2, 1])}), numbers(2, 4, 8, 8))


@pytest.mark.parametrize("shape", [(4, 8, 8), (1, 8, 8), (4, 1, 1), (1, 1, 8), (1,)])
def test_25_slopes_of_any_shape(shape: tuple[int, ...]) -> None:
    node = helper.make_node("PRelu", ["x", "s"], ["y"])
    check(graph([node], {"x": ["N", 4, 8, 8]}, {"s": numbers(*shape, low=0.0)}), numbers(2, 4, 8, 8))


def whole(operator: str, constant: np.ndarray, kind: int, cast: bool) -> onnx.ModelProto:
    """An operator on whole numbers; cast to real ones first where that is wanted."""
    real = [helper.make_node("Cast", ["x"], ["r"], to=TensorProto.FLOAT)] if cast else []
    node = helper.make_node(operator, ["r" if cast else "x", "k"], ["y"], name="whole")
    model = graph([*real, node], {"x": ["N", 3]}, {}, kind=kind)
    model.graph.initializer.append(numpy_helper.from_array(constant.astype(np.float32) if cast else constant, "k"))
    if cast:
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    return model


def test_27_and_29_arithmetic_of_whole_numbers_is_refused_and_of_real_ones_right() -> None:
    x = np.array([[100, 101, 104], [250, 33, 17]])
    for operator, kind in (("Div", TensorProto.INT32), ("Div", TensorProto.INT8), ("Mul", TensorProto.UINT16)):
        constant = np.array([7, 3, 5], helper.tensor_dtype_to_np_dtype(kind))
        given = torch.from_numpy(x % 100).float()
        with pytest.raises(RespikeError, match=r"whole \(\w+\): computes with whole numbers; cast them to real"):
            load(whole(operator, constant, kind, cast=False), given)
        wanted = given / torch.from_numpy(constant.astype(np.float32))
        if operator == "Mul":
            wanted = given * torch.from_numpy(constant.astype(np.float32))
        torch.testing.assert_close(load(whole(operator, constant, kind, cast=True), given)(given), wanted)


def test_30_space_to_depth_in_both_orders() -> None:
    x = numbers(2, 4, 6, 8)
    blocks = x.reshape(2, 4, 3, 2, 4, 2)  # batch, channel, row, within, column, within
    wanted = {"DCR": blocks.permute(0, 3, 5, 1, 2, 4), "CRD": blocks.permute(0, 1, 3, 5, 2, 4)}
    for mode, value in wanted.items():
        node = helper.make_node("SpaceToDepth", ["x"], ["y"], blocksize=2, mode=mode)
        network = load(graph([node], {"x": ["N", 4, 6, 8]}, {}, opset=28), x)
        assert torch.equal(network(x), value.reshape(2, 16, 3, 4))


def test_31_dense_layers_whose_weights_a_file_computes() -> None:
    """The size of the largest of VGG-16 is allowed (`test_constants.py`); the value is right at a small one."""
    filled = numpy_helper.from_array(np.array([0.25], np.float32))
    fill = helper.make_node("ConstantOfShape", ["s"], ["w"], value=filled)
    model = graph([fill, helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["N", 6]}, {"s": torch.tensor([6, 4])})
    x = numbers(3, 6)
    torch.testing.assert_close(check(model, x)(x), 0.25 * x.sum(1, keepdim=True).expand(3, 4))


def test_32_the_output_that_is_refused_is_named() -> None:
    norm = helper.make_node("LayerNormalization", ["x", "s"], ["y", "mean"], name="norm")
    constants = {"s": torch.linspace(0.5, 2.0, 4)}
    with pytest.raises(UnsupportedOperator, match=r"the output 'mean' .*remove it from the model's outputs"):
        load(graph([norm], {"x": ["N", 4]}, constants, outputs=("y", "mean"), opset=17), torch.rand(2, 4))
    mended = graph([norm], {"x": ["N", 4]}, constants, outputs=("y",), opset=17)
    x = numbers(3, 4)
    value = load(mended, x)(x)
    torch.testing.assert_close(value, expected(mended, x)[0], rtol=1e-5, atol=1e-5)
    deviation = (x - x.mean(1, keepdim=True)).square().mean(1, keepdim=True).add(1e-5).sqrt()
    torch.testing.assert_close(value, (x - x.mean(1, keepdim=True)) / deviation * constants["s"], rtol=1e-4, atol=1e-5)
    assert not math.isnan(float(value.sum()))


def test_40_spatial_dropout_in_an_h5_file(tmp_path: Path) -> None:
    from frontends.keras_models import layers, sequential

    parts = (layers.Conv1D(4, 3), layers.SpatialDropout1D(0.2), layers.Flatten(), layers.Dense(2))
    for name, model in (
        ("one", sequential((8, 3), *parts)),
        ("two", sequential((8, 8, 3), layers.Conv2D(4, 3), layers.SpatialDropout2D(0.2), layers.Flatten())),
    ):
        model.save(tmp_path / f"{name}.h5")
        x = torch.rand(2, *model.input_shape[1:])
        torch.testing.assert_close(load(tmp_path / f"{name}.h5", x)(x), run(model, (x,))[0], rtol=1e-5, atol=1e-5)


def test_41_maximum_and_repeated_vectors_of_keras() -> None:
    from frontends.keras_models import equal_network, keras, layers, sequential, trained

    with quiet():
        x = keras.Input((6,))
        both = layers.Maximum()([layers.Dense(4)(x), layers.Dense(4)(x)])
        equal_network(trained(keras.Model(x, layers.Dense(2)(both))))
        equal_network(sequential((6,), layers.RepeatVector(3), layers.Dense(4)))
