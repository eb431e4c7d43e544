"""The onnx package's own backend tests of single operators, read by respike: a table for docs/networks/onnx.md.

`python benchmarks/onnx_backend.py --write` runs all `node` tests, prints what was wrong or crashed, and writes the
counts to onnx_backend.json, and the table of them between the page's two marks. Each test is tried twice: with all its
inputs as inputs of the network, and with the first alone, the others being constants (weights, bounds, shapes).
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests
from torch import Tensor

from respike import load
from respike.errors import NotEquivalent, RespikeError
from respike.passes import STANDARD

ROWS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "networks" / "onnx.md"
BEGIN, END = "<!-- made by benchmarks/onnx_backend.py -->", "<!-- end -->"
EQUAL, REFUSED, WRONG, CRASHED = "loaded and equal", "refused by name", "wrong", "crashed"
WORST_FIRST = (CRASHED, WRONG, EQUAL, REFUSED)


def outcome(test: TestCase) -> tuple[str, str]:
    """What becomes of a test, the worst of both ways to read it, and the message that says so."""
    assert test.model is not None
    assert test.data_sets is not None
    given, wanted = test.data_sets[0]
    found = dict(reversed([_tried(model, inputs, wanted) for model, inputs in _readings(test.model, given)]))
    return next((kind, found[kind]) for kind in WORST_FIRST if kind in found)


def _readings(model: onnx.ModelProto, given: Sequence[Any]) -> Iterator[tuple[onnx.ModelProto, list[Tensor]]]:
    """The model with all its inputs, and with the first one alone."""
    arrays = [_array(value) for value in given]
    if any(array is None for array in arrays):  # a sequence, or an input that is left out
        yield model, []
        return
    yield model, [_tensor(array) for array in arrays]
    if len(arrays) > 1:
        weighted = onnx.ModelProto()
        weighted.CopyFrom(model)
        for value, array in zip(list(model.graph.input)[1:], arrays[1:], strict=True):
            weighted.graph.initializer.append(numpy_helper.from_array(array, value.name))
            weighted.graph.input.remove(next(v for v in weighted.graph.input if v.name == value.name))
        yield weighted, [_tensor(arrays[0])]


def _tried(model: onnx.ModelProto, inputs: list[Tensor], wanted: Sequence[Any]) -> tuple[str, str]:
    """What becomes of one reading; a final softmax is kept, so that the outputs are the test's."""
    try:
        with warnings.catch_warnings(action="ignore"):
            network = load(model, tuple(inputs) or None, passes=STANDARD[1:])
        values = network.values(inputs, network.outputs)
    except NotEquivalent as error:
        return WRONG, str(error)
    except RespikeError as error:
        return REFUSED, str(error)
    except Exception as error:  # what must never reach a user
        return CRASHED, f"{type(error).__name__}: {error}"
    for name, value in zip(network.outputs, wanted, strict=True):
        if not _agree(values[name], _tensor(_array(value))):
            return WRONG, f"output {name!r} differs from the test's"
    return EQUAL, ""


def _agree(value: Tensor, wanted: Tensor) -> bool:
    """Whether an output is the test's, up to the rounding that onnx itself allows."""
    rounding = 1e-2 if wanted.dtype == torch.float16 else 1e-3
    return value.shape == wanted.shape and torch.allclose(value.float(), wanted.float(), rtol=rounding, atol=1e-5)


def _array(value: Any) -> Any:
    """An array; None for sequences and what else a test may be given."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return value if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub" else None


def _tensor(array: Any) -> Tensor:
    """Numbers as PyTorch knows them; whole numbers and the small float types become float32."""
    known = array.dtype in (np.float16, np.float32, np.float64)
    return torch.from_numpy(np.array(array if known else array.astype(np.float32)))


def table(found: dict[str, Any]) -> str:
    """How many tests had which outcome."""
    counts = found["outcomes"]
    rows = "".join(f"| {kind} | {counts[kind]} |\n" for kind in (EQUAL, REFUSED, WRONG, CRASHED))
    head = f"onnx {found['onnx']}, {sum(counts.values())} `node` tests:\n\n| outcome | tests |\n| --- | --- |\n"
    return f"{head}{rows}"


def main() -> None:
    outcomes = {}
    for test in load_model_tests(kind="node"):
        outcomes[test.name] = kind, message = outcome(test)
        if kind in (WRONG, CRASHED):
            print(f"{test.name}: {kind}: {message}", flush=True)
    counts = Counter(kind for kind, _ in outcomes.values())
    found = {"onnx": onnx.__version__, "outcomes": {kind: counts[kind] for kind in (EQUAL, REFUSED, WRONG, CRASHED)}}
    print(table(found))
    if sys.argv[1:] == ["--write"]:
        ROWS.write_text(json.dumps(found, indent=1) + "\n")
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{table(found)}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
