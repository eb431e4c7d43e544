"""`recommend`: what it chooses is cheap, loses as little as it says, and fits what was asked for."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any

import pytest

import respike
from networks import Builder, images
from respike.errors import Argument, InvalidData, InvalidOption, InvalidPlan, UnknownName
from respike.export import to_nir
from respike.export.targets import SINABS
from respike.ir import Activation, Linear, Network, Sigmoid
from respike.neurons import IntegrateFire
from respike.recommending import PREFERENCES, LosesMore, Recommendation


def network(*, gate: bool = False) -> Network:
    """Four populations with a sum of two ways, and four classes; with `gate`, a sigmoid in the last."""
    builder = Builder((2, 6, 6), 5)
    builder.conv(6)
    builder.relu()
    builder.block("residual")
    builder.conv(6)
    builder.put(Activation(builder.name("gate"), (builder.last,), Sigmoid())) if gate else builder.relu()
    plain = builder.network()
    *before, last = plain.nodes
    assert isinstance(last, Linear)
    # Outputs without a common part, so that every class is decided for, and conversions make a difference.
    centred = replace(last, bias=-plain(images(plain, 100, seed=3)).mean(0))
    return Network((*before, centred), (last.name,), "random")


NETWORK = network()
CALIBRATION, IMAGES = images(NETWORK, 48, seed=1), images(NETWORK, 200, seed=2)
HELD_OUT = (IMAGES, NETWORK(IMAGES).argmax(1))


@functools.cache
def found(**options: Any) -> Recommendation:
    """A recommendation, made once."""
    return respike.recommend(NETWORK, CALIBRATION, HELD_OUT, **options)


@pytest.mark.parametrize("prefer", list(PREFERENCES))
def test_what_is_chosen_loses_no_more_than_allowed_and_is_the_cheapest_of_those(prefer: str) -> None:
    result = found(lose=5.0, prefer=prefer)
    report = respike.measure(result.spiking, HELD_OUT)
    assert 100 * (report.network_accuracy - report.accuracy[-1]) == pytest.approx(result.chosen.loss)
    assert result.chosen.loss + result.chosen.error <= 5.0
    cost = PREFERENCES[prefer]
    assert all(cost(result.chosen.report) <= cost(one.report) for one in result.others if one.accepted)
    # The error is that of a mean over independent images of which so many change.
    flips = 1 - report.agreement
    assert result.chosen.error == pytest.approx(100 * (max(0.0, flips - flips**2) / 200) ** 0.5)
    # Fewer steps of the same method lose more, or one of them would have been chosen.
    kind = (result.chosen.method, result.chosen.options.get("signed"))
    fewer = [one for one in result.others if (one.method, one.options.get("signed")) == kind and not one.accepted]
    assert all(one.report.latency < result.chosen.report.latency for one in fewer)


def test_to_lose_less_costs_more() -> None:
    costs = [found(lose=lose, prefer="energy").chosen.report.energy_ratio for lose in (40.0, 5.0)]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]


def test_binary_neurons_and_those_of_a_simulator() -> None:
    binary = found(lose=20.0, binary=True)
    assert {site.neuron for site in binary.spiking.plan.sites.values()} == {IntegrateFire()}
    assert {one.method for one in (binary.chosen, *binary.others)} == {"calibrated"}
    pytest.importorskip("nir", reason="nir is not installed")
    portable = found(lose=20.0, target=SINABS)
    to_nir(portable.spiking, pooling=SINABS.pooling, allow_metadata=True)
    assert portable.chosen.refinements == "least_squares,residual_elimination,fit_values"


def test_layers_that_no_binary_neuron_computes() -> None:
    gated = network(gate=True)
    with pytest.raises(InvalidPlan, match="use the method few_spikes"):
        respike.recommend(gated, CALIBRATION, HELD_OUT, binary=True)


def test_the_numbers_are_json() -> None:
    tree = json.loads(found(lose=5.0, prefer="energy").to_json())
    assert tree["chosen"]["report"]["images"] == 200
    assert tree["chosen"]["options"]["steps"] >= 2
    assert len(tree["others"]) == len(found(lose=5.0, prefer="energy").others)


def test_bad_input() -> None:
    with pytest.raises(InvalidOption, match=r"lose must be in \[0, 100\], got -1"):
        found(lose=-1)
    with pytest.raises(UnknownName, match="did you mean 'energy'"):
        found(prefer="energie")
    with pytest.raises(InvalidData, match="48 of the held-out images are calibration images too"):
        respike.recommend(NETWORK, CALIBRATION, (CALIBRATION, HELD_OUT[1][:48]))


def test_what_cannot_be_had_says_what_can() -> None:
    with pytest.raises(LosesMore, match="no conversion that was tried loses at most 0 points") as refusal:
        found(lose=0.0, binary=True)
    losses = [one.loss + one.error for one in refusal.value.tried]
    assert losses == sorted(losses)
    assert not any(one.accepted for one in refusal.value.tried)
    (advice,) = (part for part in refusal.value.args if isinstance(part, Argument))
    assert isinstance(advice.value, float)
    again = found(lose=advice.value, binary=True)
    assert again.chosen.loss + again.chosen.error <= advice.value + 1e-9
