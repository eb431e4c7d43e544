"""Fitted digits: fewer errors for as many operations, in the search and in networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from networks import Builder, images
from respike import Probe, SpikingNetwork, load, methods, refine
from respike.cost import fan_outs
from respike.engines import few_spikes, reference
from respike.errors import InvalidPlan
from respike.fitting.digits import Spread, fit_digits
from respike.neurons import FittedDigits, SignedDigits
from respike.plan import Plan
from respike.zoo.transformers import EncoderBlock


def laplace(count: int = 500) -> torch.Tensor:
    """Values of which few are large."""
    draw = torch.Generator().manual_seed(0)
    return torch.randn(count, generator=draw) * torch.empty(count).exponential_(generator=draw).sqrt()


def spread(values: torch.Tensor, weights: torch.Tensor) -> Spread:
    """A bin for each value, and the mean of weighted squared errors."""
    return Spread(values, torch.full_like(values, 1 / len(values)), torch.diag(weights / len(values)))


def powers(values: torch.Tensor, steps: int) -> tuple[float, float]:
    """The least squared error of powers of two, and the spikes that they take."""
    found = []
    for unit in torch.linspace(0.02, 1, 60):
        _, spikes, sent = SignedDigits(steps).fire_window(values + unit / 2, unit)
        found.append((float((unit * sent - values).square().mean()), float(spikes.abs().sum(0).mean())))
    return min(found)


def test_fitted_digits_err_less_than_powers_of_two_with_as_many_spikes() -> None:
    values = laplace()
    error, spikes = powers(values, 4)
    given = spread(values, torch.ones_like(values))
    fits = (fit_digits(given, 4, price=error * factor) for factor in (0.5, 0.7, 1.0, 1.4, 2.0, 2.8))
    neuron, fitted_error, fitted_spikes = next(found for found in fits if found[2] <= spikes)
    assert fitted_error < 0.9 * error
    _, sent, delivered = neuron.fire_window(values, torch.tensor(1.0))
    assert float((delivered - values).square().mean()) == pytest.approx(fitted_error, rel=1e-3)
    assert float(sent.abs().sum(0).mean()) == pytest.approx(fitted_spikes, rel=1e-3)


def test_dearer_spikes_are_fewer_and_heavy_errors_smaller() -> None:
    values = laplace()
    ones = torch.ones_like(values)
    spent = [fit_digits(spread(values, ones), 4, price=price)[2] for price in (0.0, 0.01, 0.1)]
    assert spent[0] > spent[1] > spent[2]
    small = (values.abs() < 0.3).float()
    neuron, error, _ = fit_digits(spread(values, small), 4, price=0.0)
    _, _, delivered = neuron.fire_window(values, torch.tensor(1.0))
    assert error < 1e-3 < float((delivered - values).square().mean())


def test_errors_that_add_up_count_together() -> None:
    """Two values whose errors add up in the output, and two whose errors cancel."""
    values = torch.tensor([1.0, 1.1])
    errors = []
    for sign in (1.0, -1.0):
        together = Spread(values, torch.ones(2), torch.tensor([[1.0, sign], [sign, 1.0]]))
        neuron, error, _ = fit_digits(together, 1, price=0.0)
        _, _, delivered = neuron.fire_window(values, torch.tensor(1.0))
        left = delivered - values
        assert error == pytest.approx(float((left[0] + sign * left[1]) ** 2), abs=1e-4)
        errors.append(error)
    assert errors[0] < 1e-3  # one too high, the other too low
    assert errors[1] == pytest.approx(0.01, abs=1e-3)


class Encoder(nn.Module):
    """Four tokens of 16 values, a block of a transformer, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.block = EncoderBlock(16, 2)
        self.head = nn.Linear(16, 5)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.block(tokens).mean(1))
        return result


torch.manual_seed(0)
CALIBRATION = torch.randn(64, 4, 16)
NETWORK = load(Encoder().eval(), CALIBRATION[:2])


def spent(plan: Plan, inputs: torch.Tensor) -> float:
    spiking = SpikingNetwork(NETWORK, plan)
    probe = Probe(spike_counts=False, fan_out=fan_outs(spiking.network, plan))
    run = few_spikes(spiking.network, plan, inputs, probe)
    return sum(float(each.sum()) for each in run.operations_per_step.values())


def test_a_network_errs_less_with_no_more_operations() -> None:
    plan = methods.every_edge(NETWORK, CALIBRATION, steps=4)
    fitted = refine.fit_digits(plan, NETWORK, CALIBRATION)
    assert {type(site.neuron) for site in fitted.sites.values()} == {FittedDigits}
    assert {site.neuron.window for site in fitted.sites.values()} == {4}
    torch.manual_seed(1)
    test = torch.randn(64, 4, 16)
    wanted = NETWORK(test)
    before, after = (float((SpikingNetwork(NETWORK, each)(test) - wanted).norm()) for each in (plan, fitted))
    assert after < 0.9 * before
    assert spent(fitted, test) < 1.05 * spent(plan, test)
    cheap = refine.fit_digits(plan, NETWORK, CALIBRATION, operations=0.7)
    assert spent(cheap, test) < 0.75 * spent(plan, test)


def test_engines_agree_and_files_keep_the_digits(tmp_path: Path) -> None:
    plan = refine.fit_digits(methods.every_edge(NETWORK, CALIBRATION, steps=3), NETWORK, CALIBRATION)
    spiking, probe = SpikingNetwork(NETWORK, plan), Probe(spikes=tuple(plan.sites))
    one, other = (run(spiking.network, plan, CALIBRATION[:4], probe) for run in (few_spikes, reference))
    assert torch.allclose(one.outputs, other.outputs, atol=1e-5)
    for name, spikes in one.spikes.items():
        assert torch.equal(spikes, other.spikes[name])
    spiking.save(tmp_path / "encoder.respike")
    assert torch.equal(SpikingNetwork.load(tmp_path / "encoder.respike")(CALIBRATION), spiking(CALIBRATION))


def test_plans_without_edges_are_refused() -> None:
    builder = Builder((2, 6, 6), 3)
    builder.conv(3)
    builder.relu()
    network = builder.network()
    plan = methods.few_spikes(network, images(network, 8), steps=4)
    with pytest.raises(InvalidPlan, match="this plan has none: use the method every_edge"):
        refine.fit_digits(plan, network, images(network, 8))
