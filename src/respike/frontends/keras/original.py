"""Running the original with Keras, to check the network against it."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from respike.errors import CannotRun, InvalidFile
from respike.frontends.keras.graph import Model


def has_keras() -> bool:
    """Whether Keras can be imported with some backend."""
    return "keras" in sys.modules or find_spec("keras") is not None


def import_keras() -> Any:
    """Keras, on the backend that the user chose, or else on torch.

    A backend is chosen if Keras is imported already, if `KERAS_BACKEND` is set, or if `keras.json` names one that is
    installed (Keras writes "tensorflow" there by itself). Only where none is chosen, `KERAS_BACKEND` is set to torch.
    """
    if "keras" not in sys.modules and "KERAS_BACKEND" not in os.environ and not _configured():
        os.environ["KERAS_BACKEND"] = "torch"
    import keras

    return keras


def _configured() -> bool:
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    try:
        backend = json.loads((home / "keras.json").read_text())["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return isinstance(backend, str) and backend.isidentifier() and find_spec(backend) is not None


def rebuild(model: Model, path: Path) -> Any:
    """The model of a file as Keras itself reads it, from the cleaned configuration and the file's weights.

    The file's own configuration is never given to Keras.
    """
    keras = import_keras()
    with quiet():
        kind = keras.Sequential if model.kind == "Sequential" else keras.Model
        try:
            live = kind.from_config(json.loads(json.dumps(model.config["config"])))
            if not live.built and model.input_shape is not None:
                live.build(model.input_shape)
            live.load_weights(str(path))
        except Exception as error:  # whatever Keras raises
            first = (str(error).strip().splitlines() or [""])[0]
            raise InvalidFile(f"Keras itself cannot read {path.name!r} ({type(error).__name__}: {first})") from None
    return live


def run(live: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The outputs of a Keras model, flattened, in float32 at most; `CannotRun` where it cannot run on the inputs.

    Keras computes parts of a float64 model in float32, so its outputs are no better than that.
    """
    keras = import_keras()
    arrays = [x.detach().cpu().numpy() for x in inputs]
    try:
        with quiet(), torch.no_grad():
            result = live(_structured(live, arrays), training=False)
    except Exception as error:  # whatever Keras raises
        shapes = " and ".join(str(list(x.shape)) for x in inputs)
        reason = (str(error).strip().splitlines() or [""])[0]
        raise CannotRun(f"the network cannot run on a batch of shape {shapes} (batch first): {reason}") from error
    outputs = (torch.tensor(keras.ops.convert_to_numpy(y)) for y in keras.tree.flatten(result))
    return tuple(y.float() if y.dtype == torch.float64 else y for y in outputs)


def _structured(live: Any, arrays: list[Any]) -> Any:
    """Inputs as the model names them: a dictionary if it was made with one."""
    struct = getattr(live, "_inputs_struct", None)
    if isinstance(struct, dict):
        return dict(zip(sorted(struct), arrays, strict=True))
    return arrays[0] if len(arrays) == 1 else arrays


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what Keras says about its own workings; what matters is raised."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="keras|torch|numpy|jax|tensorflow")
        yield
