"""The table of operators in the documentation, made of the tables that the frontends read by.

`python -m respike.frontends.table docs/networks/operators.md` writes it anew, between the page's two marks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from respike.frontends.keras.layers import LAYERS, NAMED, OPERATIONS
from respike.frontends.onnx.operators import OPERATORS as ONNX
from respike.frontends.semantics.meaning import meanings_of
from respike.frontends.torch.operators import OPERATORS as TORCH
from respike.ir import functions

BEGIN, END = "<!-- made by python -m respike.frontends.table -->", "<!-- end -->"
FRAMEWORKS = ("PyTorch", "ONNX", "Keras")


def known() -> dict[object, dict[str, list[str]]]:
    """For each meaning of an operator, what each framework calls it."""
    found: dict[object, dict[str, list[str]]] = {}
    for framework, names in _tables():
        for name, translator in names:
            for meaning in meanings_of(translator):
                found.setdefault(meaning, {f: [] for f in FRAMEWORKS})[framework].append(name)
    return found


def _tables() -> Iterator[tuple[str, Iterable[tuple[str, object]]]]:
    yield "PyTorch", ((_torch_name(target), translator) for target, translator in TORCH.items())
    yield "ONNX", ONNX.items()
    yield "Keras", LAYERS.items()
    yield "Keras", ((f"ops.{_snake_case(name)}", translator) for name, translator in OPERATIONS.items())
    yield "Keras", ((f'"{name}"', translator) for name, translator in NAMED.items())


def _torch_name(target: object) -> str:
    return str(getattr(target, "__name__", target)).removeprefix("aten.")


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")


def table() -> str:
    """The table in Markdown: a row for each meaning, a column for each framework."""
    head = f"| meaning | {' | '.join(FRAMEWORKS)} |\n| --- |{' --- |' * len(FRAMEWORKS)}\n"
    return head + "".join(_row(meaning, names) for meaning, names in sorted(known().items(), key=_place))


def _place(entry: tuple[object, Mapping[str, object]]) -> tuple[str, int]:
    """Activations first, then module by module, in the order of the code."""
    meaning = entry[0]
    code = getattr(meaning, "__code__", None)
    if code is None:
        return "", list(vars(functions).values()).index(meaning)
    return str(getattr(meaning, "__module__", "")), code.co_firstlineno


def _row(meaning: object, names: Mapping[str, list[str]]) -> str:
    said = (meaning.__doc__ or "").splitlines()[0].replace("|", "\\|")
    cells = (", ".join(f"`{name}`" for name in dict.fromkeys(names[f])) for f in FRAMEWORKS)
    return f"| {said} | {' | '.join(cells)} |\n"


def written(page: str) -> str:
    """A page with the table of today between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(written(path.read_text()))
