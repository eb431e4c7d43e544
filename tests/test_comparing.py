"""`compare`: several conversions on the same images, as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas
import pytest
import torch
from torch import Tensor, nn

import respike
from report.samples import REPORT
from respike import Comparison, SpikingNetwork, methods
from respike.errors import InvalidData, InvalidOption, InvalidPlan, UnknownName

torch.manual_seed(3)
CALIBRATION, IMAGES = torch.rand(40, 12), torch.rand(30, 12)
NETWORK = respike.load(
    nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 5)).eval(), CALIBRATION, verify=CALIBRATION
)
LABELS = NETWORK(IMAGES).argmax(1)
GATED = respike.load(nn.Sequential(nn.Linear(12, 20), nn.SiLU(), nn.Linear(20, 5)).eval(), CALIBRATION)
"""A network that few-spikes neurons alone stand for."""


def compare(chosen: Any, network: respike.ir.Network = NETWORK, calibration: Tensor | None = CALIBRATION) -> Comparison:
    return respike.compare(network, chosen, (IMAGES, LABELS), calibration, dataset_name="noise")


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(["few_spikes", (methods.max_norm, {"steps": 6}), ("max_norm", {"steps": 9})])


def test_each_row_is_what_the_verbs_measure(comparison: Comparison) -> None:
    for steps, row, report in zip((6, 9), comparison[1:], comparison.reports[1:], strict=True):
        plan = methods.max_norm(NETWORK, CALIBRATION, steps=steps)
        alone = respike.measure(SpikingNetwork(NETWORK, plan), (IMAGES, LABELS), dataset_name="noise")
        assert replace(report, seconds=0) == replace(alone, seconds=0)
        assert (row.accuracy, row.step, row.energy_ratio) == (
            alone.headline.accuracy,
            alone.headline.step,
            alone.headline.energy_ratio,
        )
        assert (row.end_accuracy, row.steps) == (alone.end.accuracy, steps)
        assert row.method == f"max_norm (steps={steps})"


def test_pandas_reads_it(comparison: Comparison) -> None:
    table = pandas.DataFrame(comparison)
    assert list(table["method"]) == ["few_spikes", "max_norm (steps=6)", "max_norm (steps=9)"]
    for column in table.columns:
        assert [*table[column]] == pytest.approx([getattr(row, column) for row in comparison], nan_ok=True)
    assert table["energy_ratio"].dtype == "float64"
    assert table["images"].dtype == "int64"


def test_it_shows_a_line_for_each_method(comparison: Comparison) -> None:
    text = repr(comparison)
    assert text.splitlines()[0] == "Comparison on 30 images of noise"
    assert len(text.splitlines()) == 2 + len(comparison)
    for row in comparison:
        assert f"{100 * row.accuracy:.2f} %" in text
        assert row.method in comparison._repr_html_()


def test_accuracy_that_is_never_reached_is_said() -> None:
    row = Comparison((replace(REPORT, steps_to_network_accuracy=None),))[0]
    assert (row.stays, row.step, row.accuracy) == (False, 4, REPORT.accuracy[-1])
    assert "after 4 steps, never near the network's" in str(row)


def test_a_method_that_fails_is_left_out_and_named() -> None:
    found = compare([("max_norm", {"steps": 4}), ("few_spikes", {"steps": 4})], GATED)
    assert [row.method for row in found] == ["few_spikes"]
    assert list(found.failed) == ["max_norm(steps=4)"]
    assert "failed: max_norm: " in repr(found)


def test_where_all_fail_the_first_error_is_raised() -> None:
    with pytest.raises(InvalidPlan, match=r"^max_norm: "):
        compare(["max_norm", "fit"], GATED)


def test_missing_calibration_can_be_given_as_the_error_says() -> None:
    with pytest.raises(InvalidOption, match="max_norm looks at training images: give them as calibration"):
        compare([("max_norm", {"steps": 4})], calibration=None)
    assert len(respike.compare(NETWORK, [("max_norm", {"steps": 4})], (IMAGES, LABELS), calibration=CALIBRATION)) == 1


@pytest.mark.parametrize("dataset", [(CALIBRATION[:9], LABELS[:9]), CALIBRATION[5:20]])
def test_images_are_not_measured_that_the_methods_see(dataset: Any) -> None:
    with pytest.raises(InvalidData, match="calibration images too"):
        respike.compare(NETWORK, ["max_norm"], dataset, CALIBRATION)


def test_every_method_sees_the_same_images() -> None:
    """An iterator would give the second method what the first has left."""
    two: Any = ["few_spikes", ("max_norm", {"steps": 6})]
    dataset = zip(IMAGES.reshape(3, 10, 12), LABELS.reshape(3, 10), strict=True)
    with pytest.raises(InvalidData, match=r"give list\(dataset\)$"):
        respike.compare(NETWORK, two, dataset, CALIBRATION, limit=10)
    found = respike.compare(NETWORK, two, list(dataset), CALIBRATION, limit=10)
    whole = respike.compare(NETWORK, two, (IMAGES[:10], LABELS[:10]), CALIBRATION)
    assert [*found] == [*whole]


@pytest.mark.parametrize("chosen", [[], "max_norm", methods.max_norm])
def test_methods_are_a_list(chosen: Any) -> None:
    with pytest.raises(InvalidOption, match="methods is a list") as error:
        compare(chosen)
    assert len(compare(eval(str(error.value).partition(": ")[2]))) == 2


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'max_norm'"):
        compare(["maxnorm"])
    with pytest.raises(UnknownName, match="unknown option of max_norm 'step': did you mean 'steps'"):
        compare([("max_norm", {"step": 3})])


def test_a_value_out_of_range_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(InvalidOption, match=r"^max_norm: steps must be"):
        compare(["few_spikes", ("max_norm", {"steps": 0})])
