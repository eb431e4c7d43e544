"""Reading files: the check against the original, refusals, and files that mean harm."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from frontends.onnx_models import expected, graph, numbers, one, written
from respike.errors import InvalidData, InvalidFile, InvalidNetwork, NotEquivalent, RespikeError, UnsupportedOperator
from respike.frontends.onnx import capture_onnx, onnx_network, original
from respike.frontends.onnx import operators as table
from respike.frontends.onnx.call import Operator
from respike.frontends.semantics import Signal
from respike.load import load


def perceptron(**options: Any) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["a"], name="hidden"),
        helper.make_node("Relu", ["a"], ["h"], name="relu"),
        helper.make_node("Gemm", ["h", "w2"], ["y"], name="readout"),
    ]
    weights = {"w1": numbers(6, 8), "b1": numbers(8, seed=1), "w2": numbers(8, 3, seed=2)}
    return graph(nodes, {"x": ["N", 6]}, weights, **options)


def saved(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def test_a_file_loads_under_the_names_it_has(tmp_path: Path) -> None:
    model, x = perceptron(), numbers(5, 6)
    network = load(saved(model, tmp_path), x)
    assert [node.name for node in network.nodes] == ["x", "hidden", "relu", "readout"]
    assert network.origin == "model.onnx"
    torch.testing.assert_close(network(x), expected(model, x)[0])
    torch.testing.assert_close(load(model)(x), network(x))


def test_nodes_without_names_are_called_after_their_values() -> None:
    network = onnx_network(written("a = Relu(x) y = Neg(a)", "float[N, 4] x"))
    assert [node.name for node in network.nodes] == ["x", "a", "y"]


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_float_types_are_read(kind: int) -> None:
    number = onnx.helper.tensor_dtype_to_np_dtype(kind)
    weight = numbers(6, 3)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    model = graph(nodes, {"x": ["N", 6]}, {"w": torch.from_numpy(weight.numpy().astype(number))}, kind=kind)
    network = load(model, numbers(4, 6))
    assert network.dtype == (torch.float64 if kind == TensorProto.DOUBLE else torch.float32)
    torch.testing.assert_close(network(numbers(4, 6)).float(), numbers(4, 6) @ weight, rtol=1e-2, atol=1e-3)


def test_bfloat16_is_read() -> None:
    model = graph([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["N", 2]}, {}, kind=TensorProto.BFLOAT16)
    weight = torch.tensor([[0.5, -1.0], [2.0, 0.25]])
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.BFLOAT16, [2, 2], weight.flatten().tolist()))
    torch.testing.assert_close(load(model)(torch.eye(2)), weight)


def test_a_file_fixed_to_a_batch_size_is_checked_in_such_batches() -> None:
    model = graph([helper.make_node("Relu", ["x"], ["y"])], {"x": [3, 4]}, {})
    x = numbers(7, 4)
    captured = capture_onnx(model, x)
    torch.testing.assert_close(captured.outputs((x,))[0], x.relu())
    torch.testing.assert_close(load(model, x)(x), x.relu())


@pytest.fixture(params=["onnxruntime", "onnx alone"])
def _evaluator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "onnx alone":
        monkeypatch.setattr(original, "_onnxruntime", lambda model: None)


@pytest.mark.usefixtures("_evaluator")
@pytest.mark.parametrize("place", ["hidden", "readout"])
def test_a_wrong_translation_is_caught_and_named(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right: Any = table.OPERATORS["Gemm"]

    def wrong(op: Operator, x: Signal, weight: torch.Tensor, *bias: torch.Tensor) -> Signal:
        result: Signal = right(op, x, weight * (1.01 if op.name == place else 1.0), *bias)
        return result

    load(perceptron())
    monkeypatch.setitem(table.OPERATORS, "Gemm", wrong)
    with pytest.raises(NotEquivalent, match=f"first at node '{place}'"):
        load(perceptron())


def test_everything_unsupported_is_listed_at_once_with_what_to_do() -> None:
    nodes = [
        helper.make_node("LRN", ["x"], ["a"], name="norm1", size=3),
        helper.make_node("Relu", ["a"], ["b"], name="relu1"),
        helper.make_node("Exp", ["b"], ["c"], name="exp1"),
        helper.make_node("DynamicQuantizeLinear", ["c"], ["d", "scale", "zero"], name="quantize"),
        helper.make_node("ArgMax", ["c"], ["e"], name="argmax"),
        helper.make_node("Mul", ["d", "e"], ["y"], name="product"),
    ]
    model = graph(nodes, {"x": ["N", 3, 4, 4]}, {})
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(UnsupportedOperator) as caught:
        load(model)
    lines = str(caught.value).splitlines()
    assert lines[0] == "respike cannot convert 4 part(s) of the network:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        *("norm1 (LRN)", "exp1 (Exp)", "quantize (DynamicQuantizeLinear)", "argmax (ArgMax)")
    ]
    assert "before quantisation" in lines[3]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("s = Constant<value_ints = [-1]>() y = Reshape(x, s)", "mixes the samples"),
        ("s = Constant<value_ints = [2, -1]>() y = Reshape(x, s)", "mixes the samples"),
        ("y = Flatten<axis = 0>(x)", "mixes the samples"),
        ("t = Transpose(x) y = Relu(t)", "batch in dimension 1"),
        ("y = ReduceMean(x)", "dimension 0"),
        ("y = Concat<axis = 0>(x, x)", "dimension 0"),
        ("y = Softmax<axis = 0>(x)", "dimension 0"),
        ("a = Constant<value_ints = [0]>() b = Constant<value_ints = [1]>() y = Slice(x, a, b)", "dimension 0"),
        ("y = MatMul(x, x)", "over the batch"),
        ("n = NonZero(x) y = Cast<to = 1>(n)", "by the data"),
        ("i = Cast<to = 6>(x) y = Cast<to = 1>(i)", "real numbers"),
        ("t = Cast<to = 9>(x) s = Shape(x) y = Reshape(x, s)", ""),
        ("c = Constant<value_float = 4.0>() y = Pow(x, c)", "power"),
    ],
)
def test_refusals_say_why(body: str, reason: str) -> None:
    model = written(body, "float[N, 4] x", outputs="float y")
    if not reason:
        load(model)  # what no output needs is not looked at
        return
    with pytest.raises(UnsupportedOperator, match=reason):
        onnx_network(model)


def test_weights_that_are_not_finite_are_named() -> None:
    with pytest.raises(InvalidNetwork, match="infinite in: add"):
        load(one("Add", (3,), torch.tensor([1.0, float("nan"), 2.0])))


@pytest.mark.parametrize(
    ("shape", "example", "reason"),
    [
        (["N", 3, "H", "W"], None, "give an example"),
        (["N", 3, "H", "W"], torch.rand(2, 4, 8, 8), r"takes a batch \[batch, 3, any, any\], got \[2, 4, 8, 8\]"),
        (["N", 3, 8, 8], torch.rand(2, 3, 8), "got"),
        (["N", 3], (torch.rand(2, 3), torch.rand(2, 3)), "1 inputs, 2 were given"),
    ],
)
def test_bad_examples(shape: list[int | str], example: Any, reason: str) -> None:
    model = graph([helper.make_node("Relu", ["x"], ["y"])], {"x": shape}, {})
    with pytest.raises(InvalidData, match=reason):
        load(model, example)


def test_open_sizes_are_those_of_the_example() -> None:
    model = graph([helper.make_node("Relu", ["x"], ["y"])], {"x": ["N", 3, "H", "W"]}, {})
    assert load(model, torch.rand(2, 3, 5, 4)).shapes["y" if "y" in load(model, torch.rand(2, 3, 5, 4)).shapes else "x"]


def test_whole_numbers_are_not_cut_off() -> None:
    model = written("y = Cast<to = 1>(x)", "uint8[N, 4] x", outputs="float[N, 4] y")
    x = torch.tensor([[0.0, 1.0, 128.0, 255.0]])
    torch.testing.assert_close(load(model, x)(x), x)
    with pytest.raises(InvalidData, match="whole numbers"):
        load(model, x / 2)


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [
        name for name in sys.modules if name == "onnx" or name.startswith(("onnx.", "respike.frontends.onnx"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InvalidFile, match=r"pip install 'respike\[onnx\]'"):
        load(tmp_path / "model.onnx")


DAMAGE: list[Callable[[bytes], bytes]] = [
    lambda b: b"",
    lambda b: b"not an ONNX file",
    lambda b: b[: len(b) // 2],
    lambda b: b[:-1],
    lambda b: b[:20] + b"\xff" * 40 + b[60:],
    lambda b: b"PK\x03\x04" + b,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_refused(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(damage(perceptron().SerializeToString()))
    with pytest.raises(InvalidFile, match=r"damaged"):
        load(path)


def test_no_truncation_goes_unnoticed(tmp_path: Path) -> None:
    contents, path, x = perceptron().SerializeToString(), tmp_path / "short.onnx", numbers(2, 6)
    for length in range(0, len(contents), 13):
        path.write_bytes(contents[:length])
        with pytest.raises(RespikeError):
            load(path, x)


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(InvalidFile, match="2 GiB"):
        load(path)


@pytest.mark.parametrize("opset", [7, 29])
def test_other_opsets_are_refused(opset: int) -> None:
    with pytest.raises((InvalidNetwork, InvalidFile), match="opset"):
        load(perceptron(opset=opset))


def test_operators_that_are_not_onnx_own_are_refused() -> None:
    model = graph([helper.make_node("Run", ["x"], ["y"], name="run", domain="evil")], {"x": ["N", 2]}, {})
    model.opset_import.append(helper.make_opsetid("evil", 1))
    with pytest.raises(InvalidNetwork, match=r"'evil' \(first at 'run', Run\)"):
        load(model)


def test_local_functions_are_refused() -> None:
    model = perceptron()
    relu = helper.make_node("Relu", ["a"], ["b"])
    opset = [helper.make_opsetid("", 20)]
    model.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], [relu], opset))
    with pytest.raises(InvalidNetwork, match="Twice"):
        load(model)


def test_control_flow_is_refused_and_not_run() -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])], "g", [], [helper.make_tensor_value_info("z", 1, None)]
    )
    node = helper.make_node("If", ["c"], ["y"], name="branch", then_branch=inner, else_branch=inner)
    model = graph([node], {"x": ["N", 2]}, {"c": torch.tensor(True)})
    with pytest.raises(UnsupportedOperator, match=r"branch \(If\): is control flow"):
        load(model)


@pytest.mark.parametrize(
    "body",
    [
        "s = Constant<value_ints = [1099511627776]>() c = ConstantOfShape(s) n = ReduceProd(c) y = Mul(x, n)",
        "s = Constant<value_ints = [1048576, 1048576]>() o = Constant<value_float = 1.0>() e = Expand(o, s) "
        "y = Add(x, e)",
        "a = Constant<value_int = 0>() b = Constant<value_int = 1099511627776>() c = Constant<value_int = 1>() "
        "r = Range(a, b, c) f = Cast<to = 1>(r) y = Add(x, f)",
        "s = Constant<value_ints = [1, 1048576, 1048576, 4]>() y = Expand(x, s)",
        "s = Constant<value_ints = [0, 0, 0, 1099511627776]>() y = Pad(x, s)",
        "c0 = Constant<value_floats = [1.0]>() "
        + " ".join(f"c{i + 1} = Concat<axis = 0>(c{i}, c{i})" for i in range(45))
        + " y = Mul(x, c45)",
        "c0 = Identity(x) " + " ".join(f"c{i + 1} = Concat<axis = 1>(c{i}, c{i})" for i in range(45)) + " y = Neg(c45)",
    ],
)
def test_small_files_cannot_claim_large_values(body: str) -> None:
    with pytest.raises(UnsupportedOperator, match=r"elements|mixes"):
        load(written(body, "float[N, 4] x", outputs="float y"))


def test_inputs_cannot_claim_the_whole_memory() -> None:
    model = graph([helper.make_node("Relu", ["x"], ["y"])], {"x": ["N", 2**20, 2**20]}, {})
    with pytest.raises(InvalidNetwork, match="which no network has"):
        load(model)


@pytest.mark.parametrize("dims", [[2**20, 2**20], [6, 9], [-1, 8], [2**62, 2**62, 4]])
def test_weights_must_fill_the_shape_they_claim(dims: list[int]) -> None:
    model = perceptron()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    with pytest.raises((UnsupportedOperator, InvalidFile)):
        load(model)


def test_nodes_that_no_output_needs_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    model = perceptron()
    size = helper.make_node("Constant", [], ["s"], value_ints=[2**40])
    model.graph.node.extend([size, helper.make_node("ConstantOfShape", ["s"], ["bomb"])])
    monkeypatch.setattr(original, "_onnxruntime", lambda model: None)
    load(model)


def outside(tmp_path: Path, location: str, **entries: str | int) -> Path:
    """A model in `tmp_path/model` whose first weights lie elsewhere; all of `secret` is what they would be."""
    folder = tmp_path / "model"
    folder.mkdir()
    weight = numbers(6, 8).numpy().astype(np.float32).tobytes()
    (tmp_path / "secret").write_bytes(weight)
    (folder / "weights").write_bytes(weight)
    model = perceptron()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return saved(model, folder)


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    path = outside(tmp_path, "weights", offset=0, length=192)
    torch.testing.assert_close(load(path)(numbers(2, 6)), load(perceptron())(numbers(2, 6)))


def test_weights_below_the_model_are_read(tmp_path: Path) -> None:
    path = outside(tmp_path, "deeper/data")
    (path.parent / "deeper").mkdir()
    (path.parent / "weights").rename(path.parent / "deeper" / "data")
    load(path)


@pytest.mark.parametrize(
    "location", ["../secret", "sub/../../secret", "{folder}/secret", "", ".", "C:\\secret", "..\\secret", "a\0b"]
)
def test_weights_outside_of_the_folder_are_refused(location: str, tmp_path: Path) -> None:
    path = outside(tmp_path, location.format(folder=tmp_path))
    with pytest.raises(InvalidFile, match="outside of the model's own folder"):
        load(path)


@pytest.mark.parametrize("place", ["file", "folder", "hard"])
def test_weights_behind_a_link_are_refused(place: str, tmp_path: Path) -> None:
    path = outside(tmp_path, "down/secret" if place == "folder" else "link")
    if place == "file":
        (path.parent / "link").symlink_to(tmp_path / "secret")
    elif place == "folder":
        (path.parent / "down").symlink_to(tmp_path, target_is_directory=True)
    else:
        os.link(tmp_path / "secret", path.parent / "link")
    with pytest.raises(InvalidFile, match="link"):
        load(path)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"location": "missing"}, "not beside the model"),
        ({"location": "weights", "offset": 4}, "truncated or damaged"),
        ({"location": "weights", "offset": -4}, "truncated or damaged"),
        ({"location": "weights", "length": 2**40}, "truncated or damaged"),
        ({"location": "weights", "length": "many"}, "not a number"),
    ],
)
def test_weights_that_are_not_all_there_are_refused(entries: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=reason):
        load(outside(tmp_path, **entries))


def test_one_file_cannot_stand_for_many_weights(tmp_path: Path) -> None:
    path = outside(tmp_path, "weights")
    model = onnx.ModelProto.FromString(path.read_bytes())
    for i in range(100):
        model.graph.initializer.append(model.graph.initializer[0])
        model.graph.initializer[-1].name = f"more{i}"
    saved(model, path.parent)
    with pytest.raises(InvalidFile, match="claims more weights"):
        load(path)


def test_a_model_in_memory_has_no_folder(tmp_path: Path) -> None:
    model = onnx.ModelProto.FromString(outside(tmp_path, "weights").read_bytes())
    with pytest.raises(InvalidFile, match="give the path"):
        load(model)
