"""`load`: the first verb, from a trained network to a checked `Network`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from respike.errors import InvalidFile, NotEquivalent, RespikeWarning
from respike.frontends.examples import Example, check_examples
from respike.frontends.keras import SUFFIXES as KERAS_FILES
from respike.frontends.keras import capture_keras, is_keras_model
from respike.frontends.torch import capture, read_program
from respike.frontends.verify import Readable, check_repeats, first_wrong_output, has_jumps, in_double, original_outputs
from respike.frontends.verify import verify as check
from respike.ir import Network, Softmax
from respike.passes import STANDARD, Pass, prepare

if TYPE_CHECKING:
    import onnx

_AT_ONCE = 64
"""Images of a data set that are compared together."""


@runtime_checkable
class Batched(Protocol):
    """A data set that hands out batches of images and labels."""

    def batches(self, size: int) -> Iterable[Sequence[Tensor]]:
        """Batches of at most `size` images."""


Inputs: TypeAlias = tuple[Tensor, ...]
Verified: TypeAlias = "Tensor | Batched | Iterable[Example | Sequence[Tensor]]"
"""A batch of inputs, several, or what `measure` takes: images and labels, a data set, a `DataLoader`."""
Source: TypeAlias = "nn.Module | ExportedProgram | onnx.ModelProto | str | Path"


def load(
    source: Source,
    example: Example | None = None,
    *,
    verify: Verified | None = None,
    passes: Iterable[Pass] = STANDARD,
) -> Network:
    """Read a trained network, check it against the original, and prepare it for conversion.

    The network is compared with the original on the example and on every batch of `verify`, before and after the
    `passes`: outputs must agree within 1e-4 (float32; 1e-9 in float64) of the largest output. Where a pass fails that
    in float32 and not in float64, the network's own rounding is to blame, and a `RespikeWarning` says so. Of networks
    with quantised activations a few values may differ by one level, where float32 rounds differently in front of it.
    The source is left as it is.

        network = load(model, images[:8])

    Args:
        source: a PyTorch module in evaluation mode, a `torch.export` program, a Keras model, an `onnx.ModelProto`, or
            the path of a `.pt2` archive, of a `.keras` or `.h5` file, or of an `.onnx` file.
        example: a batch of inputs `[batch, ...]`, a tuple if there are several. Programs and archives bring their own;
            ONNX and Keras models need one only where they leave sizes open.
        verify: more to compare on: a batch, several, or what `measure` takes (images and labels, a data set, a loader);
            labels are left aside.
        passes: what is applied to the network that was read; none gives the network as it was written.

    Raises:
        UnsupportedOperator: operators that cannot be converted; the message lists all of them.
        InvalidNetwork: training mode, or weights that are NaN.
        NotEquivalent: the network computes something else; the message names the first node that differs.
        InvalidData: an example that does not fit.
        InvalidFile: a file that is missing, damaged, or of a kind that could run code.
    """
    captured = _captured(source, example)
    steps = tuple(passes)
    network = prepare(captured.network, steps)
    for number, batch in enumerate(chain([captured.examples], _batches(verify))):
        inputs = check_examples(_inputs_alone(batch, len(captured.examples)))
        expected = original_outputs(captured, inputs)
        if number == 0:
            check_repeats(captured, inputs, expected)
        check(captured, inputs, expected)
        if (wrong := _first_wrong_output(captured.network, network, inputs, expected)) is not None:
            guilty = _guilty_pass(captured.network, steps, inputs, expected)
            if not _only_rounding(captured.network, steps, inputs):
                raise NotEquivalent(f"the pass {guilty} changes what the network computes, at output {wrong!r}")
            if has_jumps(network):
                continue
            message = (
                f"the network magnifies rounding: its output {wrong!r} changes with the pass {guilty} in float32, and "
                "not in float64; model.double() avoids it"
            )
            warnings.warn(message, RespikeWarning, stacklevel=2)
    return network


def _captured(source: Source, example: Example | None) -> Readable:
    """The network by the frontend for its kind, beside its original."""
    if is_keras_model(source) or (isinstance(source, str | Path) and Path(source).suffix.lower() in KERAS_FILES):
        return capture_keras(source, example)
    if isinstance(source, str | Path):
        is_onnx = Path(source).suffix.lower() == ".onnx"
    else:
        is_onnx = type(source).__module__.startswith("onnx.")
    if not is_onnx:
        return capture(read_program(source) if isinstance(source, str | Path) else source, example)
    try:
        from respike.frontends.onnx import capture_onnx
    except ModuleNotFoundError as error:
        raise InvalidFile(f"ONNX models need the package {error.name!r}: pip install 'respike[onnx]'") from None
    return capture_onnx(source, example)  # type: ignore[arg-type]


def _first_wrong_output(original: Network, network: Network, inputs: Inputs, expected: Inputs) -> str | None:
    """As `first_wrong_output`; where a pass left a final softmax out, the values in front of it are expected."""
    dropped = {
        name: node.inputs[0]
        for name, now in zip(original.outputs, network.outputs, strict=True)
        if isinstance(node := original[name], Softmax) and not isinstance(network[now], Softmax)
    }
    logits = original.values(inputs, dropped.values()) if dropped else {}
    pairs = zip(original.outputs, expected, strict=True)
    return first_wrong_output(network, inputs, tuple(logits[dropped[n]] if n in dropped else y for n, y in pairs))


def _only_rounding(original: Network, steps: tuple[Pass, ...], inputs: Inputs) -> bool:
    """Whether the passes change nothing in float64."""
    exact, doubles, expected = in_double(original, inputs)
    return _first_wrong_output(exact, prepare(exact, steps), doubles, expected) is None


def _guilty_pass(network: Network, steps: tuple[Pass, ...], inputs: Inputs, expected: Inputs) -> str:
    original = network
    for step in steps:
        network = step(network)
        if _first_wrong_output(original, network, inputs, expected) is not None:
            return step.__name__
    return "?"


def _batches(verify: Verified | None) -> Iterable[Any]:
    match verify:
        case None:
            return ()
        case Tensor():
            return (verify,)
        case Batched():
            return verify.batches(_AT_ONCE)
        case (Tensor() as images, Tensor(ndim=1) as labels) if len(images) == len(labels):
            return torch.split(images, _AT_ONCE)
        case _:
            return verify


def _inputs_alone(batch: Any, inputs: int) -> Example:
    """The inputs of a batch, without the labels that a loader hands out behind them."""
    if isinstance(batch, list | tuple):
        return tuple(batch[:inputs])
    return batch  # type: ignore[no-any-return]
