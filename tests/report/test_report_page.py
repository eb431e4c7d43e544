"""The page as a file: nothing is fetched, nothing breaks out, the words are right."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.page_samples import HOSTILE, TAG, large_page_data, page_data
from report.samples import REPORT
from respike.report import page
from respike.report.html import as_script
from respike.report.words import headline, interrupted


class _Reader(HTMLParser):
    """Notes every element, what it would fetch, and the text of the data block."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.fetched: list[str] = []
        self.data = ""
        self._in_data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        named = dict(attrs)
        self.fetched += [named[name] or "" for name in ("src", "href", "srcset", "action") if name in named]
        self._in_data = named.get("id") == "data"

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data


def _read() -> _Reader:
    reader = _Reader()
    reader.feed(page(page_data()))
    return reader


def test_the_page_holds_all_it_needs() -> None:
    reader = _read()
    assert reader.fetched == ["#main"]
    assert "link" not in reader.elements
    assert reader.elements.count("script") == 8
    assert "default-src 'none'" in page(page_data())


def test_hostile_names_stay_data() -> None:
    reader = _read()
    assert reader.elements.count("img") == 1  # the page's own
    data = json.loads(reader.data)
    assert [layer["name"] for layer in data["layers"]] == [HOSTILE, TAG]
    assert data["methods"][1]["report"]["method"] == TAG
    assert data["methods"][2]["report"]["options"] == {"steps": "6", "names": str((HOSTILE,))}


def test_the_data_of_the_page_are_those_collected() -> None:
    data = json.loads(_read().data)
    for found, method in zip(data["methods"], page_data().methods, strict=True):
        assert found["curve"]["accuracy"] == list(method.curve.accuracy)
        assert found["report"]["energy_ratio"] == method.report.energy_ratio
        assert method.layers[0] is not None
        assert tuple(found["layers"][0]["activations"]) == method.layers[0].activations
        assert found["pareto"] == method.pareto


def test_a_page_of_ten_methods_and_sixty_layers_has_less_than_a_megabyte_and_a_half() -> None:
    assert len(page(large_page_data()).encode()) < 1_500_000


JSON = st.recursive(st.text() | st.integers() | st.booleans() | st.none(), lambda inner: st.lists(inner, max_size=3))


@given(JSON)
def test_what_is_written_into_a_script_can_be_read_and_cannot_end_it(value: object) -> None:
    text = as_script(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


@pytest.mark.parametrize(
    ("accuracy", "energy", "words"),
    [
        (0.98, 0.5, "no accuracy is lost, for 50 % of the arithmetic energy"),
        (0.975, 2.5, "0.50 points of accuracy are lost, for 2.50 times the arithmetic energy"),
        (0.99, 1.0, "1.00 point of accuracy is gained, for about the same arithmetic energy"),
    ],
)
def test_the_headline_says_what_is_lost_and_what_it_costs(accuracy: float, energy: float, words: str) -> None:
    over_time = {"accuracy": [0.1, 0.2, accuracy, 0.3], "energy_over_time": [0.0, 0.0, energy, 9.0]}
    report = replace(REPORT, **over_time)  # type: ignore[arg-type]
    assert words in headline(report)
    assert "by fit, read after step 3:" in headline(report)


def test_an_interrupted_run_is_said_to_be_one() -> None:
    assert interrupted(REPORT, 1000) == ""
    assert "first 128 images" in interrupted(replace(REPORT, images=128, complete=False), 1000)
