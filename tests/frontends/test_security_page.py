"""docs/guides/security.md names tests; they exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "guides" / "security.md"


def test_the_tests_that_the_page_names_exist() -> None:
    named = re.findall(r"`(?:([\w/]+\.py)::)?(test_\w+)`", PAGE.read_text())
    assert len(named) > 40
    text = ""
    for file, name in named:
        text = (TESTS / file).read_text() if file else text  # without a file: in the one named last
        assert f"\ndef {name}(" in text, f"{name} is not in {file or 'the file named before it'}"
