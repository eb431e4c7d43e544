"""`few_spikes` and `ecc` are compositions of refinements: their plans are what they were when each was one function."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from networks import Builder, images
from respike import methods
from respike.ir import MaxPool, Network
from respike.plan import Plan, Site, SpikeCount

EXPECTED: dict[str, dict[str, list[list[float]]]] = json.loads(
    Path(__file__).with_name("compositions.json").read_text()
)
"""By method and options the numbers of every site: threshold, spike value, initial potential, extra current."""


def network() -> Network:
    """Two convolutions, a pool, a sum of two ways and a clipped activation, in float64."""
    builder = Builder((2, 6, 6), 3)
    builder.conv(4)
    builder.relu()
    builder.put(MaxPool(builder.name("pool"), (builder.last,), (2, 2), (2, 2), (0, 0), (1, 1)))
    builder.conv(3)
    builder.relu()
    return builder.network()


def conversions() -> Iterator[tuple[methods.Method[Any], dict[str, Any]]]:
    """All combinations of switches."""
    for alpha, least, channel, half, correct in itertools.product((None, 2.0), *[(False, True)] * 4):
        yield (
            methods.few_spikes,
            {
                "steps": 4,
                "alpha": alpha,
                "least_squares": least,
                "per_channel": channel,
                "half_unit": half,
                "correct_bias": correct,
            },
        )
    for eta, upfront, normalised, encoder, output in itertools.product((0.0, 0.3), *[(False, True)] * 4):
        yield (
            methods.ecc,
            {
                "steps": 7,
                "eta": eta,
                "upfront": upfront,
                "current_normalisation": normalised,
                "encoder": encoder,
                "spiking_output": output,
            },
        )


def numbers(plan: Plan) -> dict[str, list[list[float]]]:
    """The numbers of every site, that of a spiking output among them."""
    output = {"output": plan.readout.site} if isinstance(plan.readout, SpikeCount) else {}
    return {
        name: [_listed(quantity) for quantity in _quantities(site)] for name, site in {**plan.sites, **output}.items()
    }


def _quantities(site: Site) -> tuple[Any, ...]:
    return site.threshold, site.value, site.initial_potential, site.extra_current


def _listed(quantity: Any) -> list[float]:
    return torch.as_tensor(quantity, dtype=torch.float64).flatten().tolist()


@pytest.mark.parametrize(("method", "options"), conversions(), ids=lambda value: getattr(value, "name", None))
def test_plans_are_what_they_were(method: methods.Method[Any], options: dict[str, Any]) -> None:
    plan = method.plan(network(), images(network(), 50), **options)
    expected = EXPECTED[f"{method.name} {json.dumps(options)}"]
    assert plan.title == method.name
    assert options.items() <= plan.options.items()
    assert plan.options.keys() == method.options.keys()
    for name, found in numbers(plan).items():
        for one, other in zip(found, expected[name], strict=True):
            assert max(one) == pytest.approx(max(other), rel=1e-9)
            assert one * len(other) == pytest.approx(other * len(one), rel=1e-9)
