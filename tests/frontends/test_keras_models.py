"""Whole models: nested, shared, several inputs and outputs; names; files of every kind of Keras give the same."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from frontends.keras_models import equal_network, keras, layers, sequential, trained
from respike.errors import InvalidData, InvalidNetwork, NotEquivalent, RespikeWarning, UnsupportedOperator
from respike.frontends.keras import capture, keras_model
from respike.frontends.keras.layers import LAYERS
from respike.frontends.keras.original import import_keras, quiet, run
from respike.ir import BatchNorm, Network, Softmax
from respike.load import load
from respike.passes import drop_final_softmax

L: Any = layers


def spkeras() -> Any:
    """The network of SpKeras' examples: Conv-BN-ReLU-AvgPool, twice, and a dense readout with softmax."""
    parts = []
    for filters in (4, 6):
        parts += [L.Conv2D(filters, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU()]
        parts += [L.AveragePooling2D(2), L.Dropout(0.25)]
    return sequential((8, 8, 3), *parts, L.Flatten(), L.Dense(10, activation="softmax"))


def block(x: Any, filters: int, stride: int, name: str) -> Any:
    """A residual block."""
    y = L.Conv2D(filters, 3, stride, "same", use_bias=False, name=f"{name}_conv1")(x)
    y = L.ReLU(name=f"{name}_relu1")(L.BatchNormalization(name=f"{name}_bn1")(y))
    y = L.BatchNormalization(name=f"{name}_bn2")(L.Conv2D(filters, 3, padding="same", name=f"{name}_conv2")(y))
    if stride > 1:
        x = L.Conv2D(filters, 1, stride, name=f"{name}_shortcut")(x)
    return L.ReLU(name=f"{name}_out")(L.Add(name=f"{name}_add")([x, y]))


def residual() -> Any:
    """A functional residual network; its batch norms stand in front of "same" padding too."""
    x = keras.Input((8, 7, 3), name="image")
    y = block(block(L.Conv2D(4, 3, padding="same", activation="relu", name="stem")(x), 4, 1, "a"), 6, 2, "b")
    return trained(keras.Model(x, L.Dense(5, name="logits")(L.GlobalAveragePooling2D(name="pool")(y)), name="residual"))


def nested() -> Any:
    """Models in models, a model and a layer used twice, frozen layers, gates, two inputs and two outputs."""
    inner = keras.Sequential(
        [keras.Input((6, 6, 4)), L.Conv2D(4, 3, padding="same"), L.BatchNormalization(), L.PReLU()]
    )
    inner.layers[0].trainable = False
    z = keras.Input((6, 6, 4))
    middle = keras.Model(z, [inner(z), L.LeakyReLU()(inner(inner(z)))], name="middle")
    x, y = keras.Input((6, 6, 3), name="x"), keras.Input((4,), name="y")
    shared = L.Conv2D(4, 1, activation="relu", name="shared")
    first, second = middle(shared(x))
    gate = L.Dense(4, activation="sigmoid", name="gate")(y)
    joined = shared(L.Conv2D(3, 1, name="back")(L.Multiply(name="scale")([first, gate])))
    head = keras.Sequential([L.Flatten(), L.Dense(2)], name="head")
    outputs = [head(joined + second * 0.5), L.GlobalMaxPooling2D(name="peak")(L.Subtract()([second, joined]))]
    return trained(keras.Model([x, y], outputs))


def with_named_inputs() -> Any:
    """Inputs and outputs in dictionaries."""
    inputs = {"b": keras.Input((3,), name="b"), "a": keras.Input((2,), name="a")}
    return trained(keras.Model(inputs, {"z": L.Dense(2)(inputs["a"]), "y": L.Dense(2)(inputs["b"])}))


MODELS = [spkeras, residual, nested, with_named_inputs]


@pytest.mark.parametrize("make", MODELS)
def test_models_equal_keras(make: Any) -> None:
    with quiet():
        equal_network(make())


@pytest.mark.parametrize(
    ("make", "suffix"), [*((make, ".keras") for make in MODELS), (spkeras, ".h5"), (residual, ".h5")]
)
def test_files_give_the_same_as_the_live_model(make: Any, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    with quiet():
        model = make()
        model.save(path)
    live, read = keras_model(model), load(path, passes=())
    inputs = tuple(torch.randn(3, *node.shape) for node in live.inputs)
    assert [node.name for node in read.nodes] == [node.name for node in live.nodes]
    for name, value in live.values(inputs, live.outputs).items():
        assert torch.equal(read.values(inputs, read.outputs)[name], value)


def test_operators_in_h5_files_are_refused(tmp_path: Path) -> None:
    with quiet():
        x = keras.Input((3,))
        keras.Model(x, x + L.Dense(3)(x)).save(tmp_path / "model.h5")
    with pytest.raises(UnsupportedOperator, match=r"\(Add\): .*save it as \.keras"):
        load(tmp_path / "model.h5")


def test_nested_models_in_h5_files(tmp_path: Path) -> None:
    with quiet():
        inner = keras.Sequential(
            [keras.Input((3,)), L.Dense(3), L.BatchNormalization(), L.Dense(3), L.BatchNormalization()]
        )
        inner.layers[2].trainable = False
        x = keras.Input((3,))
        model = trained(keras.Model(x, L.Add()([inner(x), inner(L.ReLU()(inner(x)))])))
        model.save(tmp_path / "model.h5")
    y = torch.randn(4, 3)
    torch.testing.assert_close(load(tmp_path / "model.h5", verify=y)(y), run(model, (y,))[0], rtol=1e-4, atol=1e-5)


def test_names_are_those_of_keras() -> None:
    with quiet():
        network = load(residual())
    names = [node.name for node in network.nodes]
    assert names[:4] == ["image", "image.channels_first", "stem", "stem.relu"]
    assert names[-3:] == ["pool", "pool.flatten", "logits"]
    assert "b_conv1.pad" in names
    assert network.origin == "residual"
    assert network.shapes["image"] == (8, 7, 3)
    assert not any(isinstance(node, BatchNorm) for node in network.nodes)


def test_the_model_is_left_as_it_was_and_not_aliased() -> None:
    with quiet():
        model = spkeras()
        before = model.get_weights()
        network = keras_model(model)
        x = torch.randn(2, 8, 8, 3)
        value = network(x)
        model.set_weights([w + 1 for w in before])
        assert torch.equal(network(x), value)
        model.set_weights(before)
        torch.testing.assert_close(network(x), run(model, (x,))[0])


def test_the_final_softmax_is_left_out_with_a_warning() -> None:
    with quiet():
        model = spkeras()
    x = torch.randn(5, 8, 8, 3)
    assert isinstance(load(model, x, passes=()).nodes[-1], Softmax)
    with pytest.warns(RespikeWarning, match=r"final softmax 'dense\w*\.softmax' is left out") as caught:
        network = load(model, x)
    ours = [warning.filename for warning in caught if warning.category is RespikeWarning]
    assert ours == [__file__]  # one, and it points to who called load
    torch.testing.assert_close(network(x).softmax(-1), run(model, (x,))[0], rtol=1e-4, atol=1e-5)
    assert network.outputs[0].startswith("dense")


def test_a_pass_that_damages_the_logits_is_still_caught() -> None:
    def halve(network: Network) -> Network:
        from dataclasses import replace

        from respike.ir import map_tensors

        return replace(network, nodes=tuple(map_tensors(node, lambda t: t / 2) for node in network.nodes))

    with quiet():
        model = spkeras()
    with pytest.warns(RespikeWarning), pytest.raises(NotEquivalent, match="pass halve"):
        load(model, passes=(drop_final_softmax, halve))


def test_a_wrong_translation_is_caught_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = LAYERS["BatchNormalization"]

    def wrong(call: Any, x: Any) -> Any:
        moved = {**call.variables, "moving_mean": call.variables["moving_mean"] + (call.name == "b_bn1")}
        return right(replace(call, variables=moved), x)

    monkeypatch.setitem(LAYERS, "BatchNormalization", wrong)
    with quiet(), pytest.raises(NotEquivalent, match="first at node 'b_bn1'"):
        load(residual())


def test_sizes_left_open_come_from_the_example() -> None:
    with quiet():
        x = keras.Input((None, None, 3))
        model = trained(keras.Model(x, L.GlobalAveragePooling2D()(L.Conv2D(2, 3, 2, "same", activation="relu")(x))))
    with pytest.raises(InvalidData, match="leaves sizes open"):
        load(model)
    for size in (7, 8):
        example = torch.randn(2, size, 5, 3)
        torch.testing.assert_close(load(model, example)(example), run(model, (example,))[0], rtol=1e-4, atol=1e-5)
    with pytest.raises(InvalidData, match="channels where Keras has them"):
        load(model, torch.randn(2, 3, 8, 8))


def test_models_that_are_no_graph_are_refused() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(InvalidNetwork, match="functional model"):
        load(Own())
    with quiet(), pytest.raises(InvalidNetwork, match="not built"):
        load(keras.Sequential([L.Dense(3)]))
    with pytest.raises(InvalidNetwork, match=r"expected a keras\.Model"):
        keras_model(torch.nn.ReLU())
    with quiet():
        model = sequential((3,), L.Dense(2, name="dense"))
        model.set_weights([np.full((3, 2), np.nan, np.float32), np.zeros(2, np.float32)])
    with pytest.raises(InvalidNetwork, match="NaN or infinite in: dense"):
        load(model)


def test_a_sequential_built_by_calling_it_loads() -> None:
    with quiet():
        model = keras.Sequential([L.Dense(4, activation="relu"), L.Dense(2)])
        model(np.zeros((1, 3), np.float32))
    x = torch.randn(4, 3)
    torch.testing.assert_close(load(trained(model))(x), run(model, (x,))[0])


def keras2(path: Path, model: Any) -> Path:
    """The file as Keras 2 wrote it: its version, its names, its lists of calls."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            options = layer["config"]
            if "batch_shape" in options:
                options["batch_input_shape"] = options.pop("batch_shape")
            if layer["class_name"] == "LeakyReLU":
                options["alpha"] = options.pop("negative_slope")
            if layer["class_name"] == "BatchNormalization":
                options["axis"] = [3]
            if layer["class_name"] == "DepthwiseConv2D":
                options |= {"groups": 1}
            options["dtype"] = "float32"
            if "inbound_nodes" in layer:
                layer["inbound_nodes"] = [[_history(arg) for arg in _flat(n["args"])] for n in layer["inbound_nodes"]]
        if config["class_name"] == "Sequential" and config["config"]["layers"][0]["class_name"] == "InputLayer":
            first = config["config"]["layers"].pop(0)
            config["config"]["layers"][0]["config"]["batch_input_shape"] = first["config"]["batch_input_shape"]
        else:
            config["config"]["input_layers"] = [config["config"]["input_layers"]]
            config["config"]["output_layers"] = [config["config"]["output_layers"]]
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.9.0"
    return path


def _flat(args: Any) -> list[Any]:
    return [tensor for arg in args for tensor in (arg if isinstance(arg, list) else [arg])]


def _history(tensor: Any) -> list[Any]:
    return [*tensor["config"]["keras_history"], {}]


@pytest.mark.parametrize("functional", [False, True])
def test_files_of_keras_2(functional: bool, tmp_path: Path) -> None:
    parts = (L.DepthwiseConv2D(3), L.BatchNormalization(), L.LeakyReLU(negative_slope=0.2), L.Flatten(), L.Dense(2))
    with quiet():
        model = residual() if functional else sequential((6, 6, 2), *parts)
        model.save(tmp_path / "model.h5")
    x = torch.randn(4, *model.input_shape[1:])
    network = load(keras2(tmp_path / "model.h5", model), verify=x)
    torch.testing.assert_close(network(x), run(model, (x,))[0], rtol=1e-4, atol=1e-5)


def test_the_hard_sigmoid_of_keras_2_is_refused(tmp_path: Path) -> None:
    with quiet():
        sequential((3,), L.Dense(2, activation="hard_sigmoid")).save(tmp_path / "model.h5")
    load(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs["keras_version"] = "2.15.0"
    with pytest.raises(UnsupportedOperator, match="hard_sigmoid of Keras 2"):
        load(tmp_path / "model.h5")


def test_without_keras_a_file_loads_unchecked_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with quiet():
        model = residual()
        model.save(tmp_path / "model.keras")
    monkeypatch.setattr(capture, "has_keras", lambda: False)
    with pytest.warns(RespikeWarning, match="not checked against the original"):
        network = load(tmp_path / "model.keras")
    x = torch.randn(2, 8, 7, 3)
    torch.testing.assert_close(network(x), run(model, (x,))[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("imported", "chosen", "written", "wanted"),
    [
        (False, None, None, "torch"),
        (False, "jax", None, "jax"),
        (False, None, "no_such_backend", "torch"),
        (False, None, "numpy", "None"),
        (True, None, None, "None"),
    ],
)
def test_the_users_backend_is_kept(
    imported: bool,
    chosen: str | None,
    written: str | None,
    wanted: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if written:
        (tmp_path / "keras.json").write_text(json.dumps({"backend": written}))
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    environment.pop("KERAS_BACKEND", None)
    monkeypatch.setattr(os, "environ", environment | ({"KERAS_BACKEND": chosen} if chosen else {}))
    monkeypatch.setitem(sys.modules, "keras", keras)
    if not imported:
        monkeypatch.delitem(sys.modules, "keras")
        monkeypatch.setattr("builtins.__import__", _no_keras(__import__))
    import_keras()
    assert str(os.environ.get("KERAS_BACKEND")) == wanted


def _no_keras(real: Any) -> Any:
    return lambda name, *args, **kwargs: keras if name == "keras" else real(name, *args, **kwargs)
