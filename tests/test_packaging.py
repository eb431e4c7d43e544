"""What is said of the package in several places is the same everywhere."""

from __future__ import annotations

import re
import tomllib
import zlib
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[1]
_PROJECT: dict[str, Any] = tomllib.loads((_ROOT / "pyproject.toml").read_text())


def test_the_version_is_one() -> None:
    version = _PROJECT["project"]["version"]
    assert f"\nversion: {version}\n" in (_ROOT / "CITATION.cff").read_text()
    assert re.search(r"^## (\S+)", (_ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version  # type: ignore[index]


def test_every_python_that_is_claimed_gets_a_wheel() -> None:
    named = [line.rpartition(" ")[2] for line in _PROJECT["project"]["classifiers"] if "Python :: 3." in line]
    assert [f"cp{one.replace('.', '')}-*" for one in named] == _PROJECT["tool"]["cibuildwheel"]["build"]
    assert _PROJECT["project"]["requires-python"] == f">={named[0]}"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_front_pages_lead_to_files(page: str) -> None:
    links = re.findall(r"\]\(((?!https?:|#)[^)#]+)", (_ROOT / page).read_text())
    assert links
    assert [link for link in links if not (_ROOT / link).exists()] == []


def test_on_the_package_index_no_link_of_the_readme_is_relative() -> None:
    text = (_ROOT / "README.md").read_text()
    for rule in _PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    assert re.findall(r"\]\((?!https?:|#)", text) == []
    assert re.findall(r"!\[[^\]]*\]\((?!https://raw\.)", text) == []


def test_the_papers_are_cited() -> None:
    cited = (_ROOT / "CITATION.cff").read_text()
    for doi in ("10.1109/IJCNN.2015.7280696", "arXiv:2002.00860"):
        assert doi in cited
    assert cited.count("    title: ") == 4


def test_what_the_source_distribution_leaves_out_is_nothing_of_the_package() -> None:
    """A pattern without a slash in front would also leave out folders of that name in the package, from wheels too."""
    assert all(pattern.startswith("/") for pattern in _PROJECT["tool"]["scikit-build"]["sdist"]["exclude"])


def test_the_wheel_stays_under_ten_megabytes() -> None:
    files = [
        path for path in (_ROOT / "src" / "respike").rglob("*") if path.is_file() and path.suffix not in (".so", ".pyc")
    ]
    large = [path for path in files if path.stat().st_size > 50_000]
    small = sum(path.stat().st_size for path in files if path not in large) // 3
    assert sum(len(zlib.compress(path.read_bytes(), 1)) for path in large) + small < 9_000_000
