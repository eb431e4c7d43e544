"""A Keras model or file as a `Network`, beside the original."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from respike.errors import InvalidData, InvalidNetwork, RespikeWarning
from respike.frontends.examples import Example, check_examples
from respike.frontends.keras.clean import MODELS
from respike.frontends.keras.files import read_file
from respike.frontends.keras.graph import Layer, Model, read_config
from respike.frontends.keras.original import has_keras, import_keras, quiet, rebuild, run
from respike.frontends.keras.translate import translate
from respike.frontends.keras.weights import live_weights
from respike.frontends.semantics import Signal
from respike.ir import Network


@dataclass(frozen=True, eq=False)
class CapturedKeras:
    """A network beside the Keras model it was read from (None for a file where Keras is not installed).

    `sources` has, for each layer of the outermost model that is called once, its value in the network.
    """

    network: Network
    examples: tuple[Tensor, ...]
    sources: Mapping[str, Signal]
    model: Any | None

    def outputs(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the Keras model gives; without Keras, what the network itself gives, which checks nothing."""
        if self.model is None:
            values = self.network.values(inputs, self.network.outputs)
            return tuple(values[name] for name in self.network.outputs)
        return run(self.model, inputs)

    def values(self, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """What the layers of the Keras model give, by the names of the network's nodes."""
        if self.model is None:
            return {}
        layers = {layer.name: layer for layer in self.model.layers if len(layer._inbound_nodes) == 1}
        known = {signal.name: (signal, layers[name]) for name, signal in self.sources.items() if name in layers}
        keras = import_keras()
        firsts = [keras.tree.flatten(layer.output)[0] for _, layer in known.values()]
        with quiet():
            partial = keras.Model(self.model.inputs, firsts)
        results = run(partial, inputs)
        return {
            name: value.movedim(-1, 1) if signal.layout.channels_last else value
            for (name, (signal, _)), value in zip(known.items(), results, strict=True)
        }


def keras_model(source: Any, example: Example | None = None) -> Network:
    """Read a live `keras.Model` (Sequential or functional), or the path of a `.keras` or `.h5` file, into a `Network`.

    `example` is a batch `[batch, ...]` of inputs in Keras' own layout (a tuple if there are several); it is needed
    only where the model leaves sizes open. Nodes are named by Keras' layers, `block1/conv` for a layer of a nested
    model, and by layer and function, `dense.softmax`, for an activation that a layer was told.

    Raises `UnsupportedOperator` listing every layer that cannot be converted, `InvalidNetwork` (a model that is not
    built or not a graph of layers, weights that are not finite), `InvalidData` (a bad example), `InvalidFile`.
    """
    return capture_keras(source, example).network


def capture_keras(source: Any, example: Example | None = None) -> CapturedKeras:
    """Like `keras_model`, keeping what is needed to check the network against the original."""
    path = Path(source) if isinstance(source, str | Path) else None
    if path is not None:
        model, weights = read_file(path)
    else:
        model = _graph(source)
        weights = live_weights(model, source)
    shapes = _shapes(model, None if example is None else check_examples(example))
    network, sources = translate(model, weights, shapes)
    live = source if path is None else _original(model, path)
    examples = _examples(shapes, network.dtype) if example is None else check_examples(example)
    return CapturedKeras(network, examples, sources, live)


def _original(model: Model, path: Path) -> Any | None:
    if has_keras():
        return rebuild(model, path)
    warnings.warn(
        f"{path.name} is not checked against the original, since Keras is not installed: pip install 'respike[keras]'",
        RespikeWarning,
        stacklevel=4,
    )
    return None


def is_keras_model(source: Any) -> bool:
    """Whether `source` is a live Keras model; Keras is not imported for it."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(source, keras.Model)


def _graph(live: Any) -> Model:
    if not is_keras_model(live):
        raise InvalidNetwork(f"expected a keras.Model, got {type(live).__name__}")
    kind = type(live).__name__
    if kind not in MODELS or type(live).__module__.partition(".")[0] != "keras":
        raise InvalidNetwork(
            f"{kind} is a model with a call() of its own, whose layers cannot be read; "
            "write it as a functional model, keras.Model(inputs, outputs)"
        )
    if not live.built:
        raise InvalidNetwork("the model is not built, so it has no weights; give it an Input, or call it once")
    return read_config(kind, live.get_config())


def _shapes(model: Model, examples: tuple[Tensor, ...] | None) -> list[tuple[int, ...]]:
    """The per-sample shape of each input: the model's own, its open sizes taken from the example."""
    if examples is not None and len(examples) != len(model.inputs):
        raise InvalidData(f"the network has {len(model.inputs)} inputs, {len(examples)} were given")
    shapes = []
    for number, value in enumerate(model.inputs):
        own = _own_shape(model, model[value.layer])
        given = None if examples is None else tuple(examples[number].shape[1:])
        shape = given if own is None else own if given is None else _filled(own, given)
        if shape is None or any(n is None for n in shape):
            raise InvalidData(
                f"input {value.layer!r} leaves sizes open: {own}; give an example, as load(model, images[:2])"
            )
        shapes.append(tuple(int(n) for n in shape if n is not None))
    return shapes


def _own_shape(model: Model, layer: Layer) -> tuple[int | None, ...] | None:
    shape = layer.options.get("batch_shape") or model.input_shape
    return None if shape is None else tuple(shape[1:])


def _filled(own: tuple[int | None, ...], given: tuple[int, ...]) -> tuple[int | None, ...]:
    if len(own) != len(given) or any(n not in (None, m) for n, m in zip(own, given, strict=False)):
        wanted = ", ".join("any" if n is None else str(n) for n in own)
        raise InvalidData(
            f"the network takes [batch, {wanted}], channels where Keras has them; the example is {list(given)} a sample"
        )
    return given


def _examples(shapes: list[tuple[int, ...]], dtype: torch.dtype) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(4, *shape, generator=generator, dtype=dtype) for shape in shapes)
