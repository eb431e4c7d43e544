"""Keras' configurations, cleaned: only classes of a closed list, only plain values.

The same configuration comes from `model.get_config()`, from the `config.json` of a `.keras` file and from the
`model_config` of an `.h5` file of Keras 2 or 3. Nothing in it is ever looked up, imported or unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from respike.errors import UnsupportedOperator
from respike.frontends.keras.advice import advice
from respike.frontends.keras.layers import LAYERS, OPERATIONS

Config: TypeAlias = Mapping[str, Any]

MODELS = {"Functional": "Functional", "Model": "Functional", "Sequential": "Sequential"}
INPUT = "InputLayer"

_HOMES = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
_OPERATION_HOMES = ("keras.src.ops.numpy", "keras.src.ops.nn", "keras.src.ops.core", "keras.src.ops.math")
_TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
_RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}
_ONLY_LAYERS = frozenset(LAYERS) - frozenset(OPERATIONS)
"""Names that are no operator's; some layers do not say whether they are trained."""
_EXTRA = {("DepthwiseConv2D", "groups"), ("DepthwiseConv2D", "filters"), ("SeparableConv2D", "groups")}


def clean(kind: str, config: Config, *, keras2: bool) -> dict[str, Any]:
    """The configuration of a model in Keras 3's form, with nothing in it but what is known.

    Raises `UnsupportedOperator` listing every layer outside of the closed list, or with values that are not plain.
    """
    cleaner = _Cleaner(keras2)
    cleaned = cleaner.model(kind, config, "")
    if cleaner.refused:
        listed = "\n".join(f"  {place}: {reason}" for place, reason in cleaner.refused.items())
        raise UnsupportedOperator(f"respike cannot convert {len(cleaner.refused)} part(s) of the network:\n{listed}")
    return cleaned


class _Cleaner:
    """What was refused so far."""

    def __init__(self, keras2: bool) -> None:
        self.keras2 = keras2
        self.refused: dict[str, str] = {}

    def model(self, kind: str, config: Config, path: str) -> dict[str, Any]:
        """A model and all in it."""
        layers = [self.layer(layer, path) for layer in _with_input(kind, config["layers"])]
        wanted = ("name", "trainable", "build_input_shape", "input_layers", "output_layers")
        kept = {key: _plain(config[key]) for key in wanted if config.get(key) is not None}
        options = {**kept, "layers": [layer for layer in layers if layer]}
        return _entry(_HOMES[MODELS[kind]], MODELS[kind], options)

    def layer(self, layer: Config, path: str) -> dict[str, Any]:
        """A layer, an operation or a nested model; nothing where it is refused."""
        kind, config = str(layer["class_name"]), layer["config"]
        place = f"{path}/{config['name']}" if path else str(config["name"])
        try:
            cleaned = self.known(kind, layer, place)
            if "inbound_nodes" in layer:
                name = str(layer.get("name", config["name"]))
                cleaned |= {"name": name, "inbound_nodes": _plain(layer["inbound_nodes"])}
        except ValueError as reason:
            self.refused[f"{place} ({kind})"] = str(reason)
            return {}
        return cleaned

    def known(self, kind: str, layer: Config, place: str) -> dict[str, Any]:
        """A layer of the closed list; `ValueError` says why another is refused."""
        config, module, registered = layer["config"], layer.get("module"), layer.get("registered_name")
        if not _is_keras(module) or registered not in (None, kind):
            raise ValueError(advice("custom"))
        if kind in MODELS:
            return self.model(kind, config, place)
        if kind == INPUT:
            return _entry("keras.layers", kind, _input_options(config))
        if module is None and "trainable" not in config and kind not in _ONLY_LAYERS:
            raise ValueError(advice("operator"))
        if self.keras2 and config.get("activation") == "hard_sigmoid":
            raise ValueError(advice("hard_sigmoid"))
        if module in _OPERATION_HOMES and kind in OPERATIONS:
            return _entry(str(module), kind, _options(kind, config))
        if not str(module).startswith("keras.src.ops.") and kind in LAYERS:
            return _entry("keras.layers", kind, _options(kind, config))
        raise ValueError(advice(kind))


def _entry(module: str, kind: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": options, "registered_name": None}


def _is_keras(module: Any) -> bool:
    return module is None or str(module).partition(".")[0] in ("keras", "tf_keras", "tensorflow")


def _with_input(kind: str, layers: list[Config]) -> list[Config]:
    """Keras 2 tells the first layer of a `Sequential` its input's shape, where Keras 3 has an input in front."""
    shape = layers[0]["config"].get("batch_input_shape") if layers else None
    if kind != "Sequential" or shape is None or layers[0]["class_name"] == INPUT:
        return layers
    name = f"{layers[0]['config']['name']}_input"
    return [{"class_name": INPUT, "config": {"name": name, "batch_shape": shape}}, *layers]


def _input_options(config: Config) -> dict[str, Any]:
    shape = _plain(config.get("batch_shape", config.get("batch_input_shape")))
    return {"name": str(config["name"]), "batch_shape": shape, "dtype": _plain(config.get("dtype", "float32"))}


def _options(kind: str, config: Config) -> dict[str, Any]:
    """What a layer is told, under the names of Keras 3, without what matters in training only."""
    kept = {}
    for key, value in config.items():
        if key.endswith(_TRAINING_ONLY) or key == "batch_input_shape" or (kind, key) in _EXTRA or value is None:
            continue
        kept[_RENAMED.get((kind, key), key)] = _plain(value)
    if kind == "BatchNormalization" and isinstance(kept.get("axis"), list):
        kept["axis"] = kept["axis"][0]
    return kept


def _plain(value: Any) -> Any:
    """Numbers, texts, lists, and the few marked values that a configuration needs; anything else is refused."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case {"class_name": "__tuple__", "config": {"value": list(items)}} if any(map(_is_slice, items)):
            return {"class_name": "__tuple__", "config": {"value": _plain(items)}}  # a list would pick single places
        case {
            "class_name": "__tuple__" | "__numpy__",
            "config": {"value": (list() | tuple() | int() | float()) as items},
        }:
            return _plain(items)
        case {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}:
            bounds = {"start": _whole(start), "stop": _whole(stop), "step": _whole(step)}
            return {"class_name": "__slice__", "config": bounds}
        case {"class_name": "__keras_tensor__", "config": {"keras_history": history, **rest}}:
            shape, dtype = _plain(rest.get("shape")), str(rest.get("dtype"))
            tensor = {"shape": shape, "dtype": dtype, "keras_history": _plain(history)}
            return {"class_name": "__keras_tensor__", "config": tensor}
        case {"class_name": "DTypePolicy" | "Policy", "config": {"name": str(name)}}:
            return name
        case {"class_name": "function", "config": str(name)} if _is_builtin(name, value):
            return name
        case {"class_name": kind}:
            raise ValueError(f"holds a {kind}; respike takes plain values only, and runs nothing from a configuration")
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            raise ValueError(f"holds a {type(value).__name__}; respike takes plain values only")


def _is_slice(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__slice__"


def _whole(value: Any) -> int | None:
    if value is None or isinstance(value, int):
        return value
    raise ValueError(f"is sliced by a {type(value).__name__}; respike takes whole numbers only")


def _is_builtin(name: str, function: Config) -> bool:
    module, registered = function.get("module"), function.get("registered_name")
    return module in (None, "builtins", "keras.activations") and registered in (None, "function", name)
