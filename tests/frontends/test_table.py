"""The table of operators in the documentation is the one that the frontends read by."""

from __future__ import annotations

from pathlib import Path

import frontends.keras_models  # noqa: F401 (chooses Keras' backend)
from respike.frontends.semantics import activations, arithmetic, layers, matrices, pooling, products, shaping
from respike.frontends.table import FRAMEWORKS, known, table, written

PAGE = Path(__file__).parents[2] / "docs" / "networks" / "operators.md"


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text()
    assert table() in text
    assert written(text) == text, "python -m respike.frontends.table docs/networks/operators.md"


def test_what_one_frontend_reads_the_others_read() -> None:
    """Where a framework has an operator; what it writes as several others has no name of its own there."""
    for meaning in (
        *(activations.maximum, activations.minimum, activations.absolute, activations.celu, activations.shrink),
        *(activations.prelu, activations.clamp, activations.glu, arithmetic.div, arithmetic.reciprocal),
        *(products.matmul, products.softmax, pooling.largest, pooling.smallest, matrices.mean, matrices.total),
        *(matrices.pad, matrices.cumulative_sum, shaping.repeat, shaping.gather, shaping.concat, layers.embedding),
    ):
        unknown = [framework for framework in FRAMEWORKS if not known()[meaning][framework]]
        assert unknown in ([], ["ONNX"] if meaning is activations.glu else []), meaning
