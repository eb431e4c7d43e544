"""Integrate-and-fire neurons: the value that a hard reset leads to, in other units and in whole numbers."""

from __future__ import annotations

import pytest
import torch

from respike.errors import InvalidPlan
from respike.neurons import Above, IntegrateFire, ToValue


@pytest.mark.parametrize("unit", [0.25, torch.tensor(0.25), torch.tensor([0.25, 0.25, 0.25])])
def test_the_reset_value_is_so_many_units(unit: float | torch.Tensor) -> None:
    assert IntegrateFire(ToValue(-0.5), Above()).in_unit(unit) == IntegrateFire(ToValue(-2.0), Above())


@pytest.mark.parametrize("units", [[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]])
def test_channels_of_other_units_have_no_reset_value_but_zero_in_common(units: list[float]) -> None:
    unit = torch.tensor(units)
    with pytest.raises(InvalidPlan, match=r"resets to -0.5, .*reset to 0, or give the layer one threshold"):
        IntegrateFire(ToValue(-0.5)).in_unit(unit)
    for neuron in (IntegrateFire(ToValue(0.0)), IntegrateFire()):
        assert neuron.in_unit(unit) == neuron


def test_rounded_the_reset_value_is_whole() -> None:
    assert IntegrateFire(ToValue(-1.6), Above()).rounded() == IntegrateFire(ToValue(-2.0), Above())
    assert IntegrateFire(fires=Above()).rounded() == IntegrateFire(fires=Above())


def test_a_reset_leads_below_the_lowest_threshold() -> None:
    neuron = IntegrateFire(ToValue(1.0))
    neuron.check(torch.tensor([2.0, 1.5]))
    with pytest.raises(InvalidPlan, match="a reset to 1 at or above the threshold"):
        neuron.check(torch.tensor([2.0, 1.0]))
