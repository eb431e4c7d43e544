"""The README's table and figure, from what `respike demo` measured on all 10,000 MNIST test images.

python benchmarks/readme.py [--measure]

With --measure the demo is run again, and its numbers are kept in benchmarks/demo.json; without, the README is written
from the numbers that are there. A test compares the two.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import tempfile
from pathlib import Path

from rich.console import Console

from respike import Report
from respike.cli.app import main as respike
from respike.cli.tables import summary

ROOT = Path(__file__).parents[1]
NUMBERS = ROOT / "benchmarks" / "demo.json"
README = ROOT / "README.md"
FIGURE = ROOT / "docs" / "images" / "accuracy-over-time.png"
_BEFORE, _AFTER = "```text\n", "\n```"


def main() -> None:
    """Measures again where that is asked for, and writes the README's table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="run the demo again (a minute or two)")
    if parser.parse_args().measure:
        with tempfile.TemporaryDirectory() as folder:
            if code := respike(["demo", "--out", folder, "--force"]):
                raise SystemExit(code)
            shutil.copy(Path(folder) / "demo.json", NUMBERS)
            shutil.copy(Path(folder) / "accuracy-over-time.png", FIGURE)
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")


def table() -> str:
    """The table as the demo prints it, without its legend."""
    reports = [Report.from_json(json.dumps(tree)) for tree in json.loads(NUMBERS.read_text(encoding="utf-8"))]
    printed = io.StringIO()
    Console(file=printed, width=80, color_system=None).print(summary(reports))
    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    end = next(place for place, line in enumerate(lines) if line.startswith("from step:"))
    return "\n".join(lines[:end]).strip()


def with_table(text: str) -> str:
    """The README with the table of the kept numbers."""
    before, rest = text.split(_BEFORE, 1)
    return before + _BEFORE + table() + _AFTER + rest.split(_AFTER, 1)[1]


if __name__ == "__main__":
    main()
