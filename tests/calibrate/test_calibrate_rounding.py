"""Units from histograms: as good as a search over the activations themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from respike.calibrate import largest_units, least_squares_units, observe
from respike.engines.event import COMPILED
from respike.ir import Activation, Input, Network, ReLU

STEPS = [2, 4, 8]
MANY = 10**12
"""Images after which a channel has nothing of its layer any more."""


def activations(channels: int) -> Tensor:
    """Heavy-tailed inputs, each channel with a scale of its own, `[images, channels, 8]`."""
    draw = torch.Generator().manual_seed(channels)
    values = torch.randn(400, channels, 8, generator=draw).exp() - 1.0
    return values * torch.logspace(-1, 1, channels).reshape(1, -1, 1)


def relu_network(channels: int) -> Network:
    return Network((Input("x", (), (channels, 8)), Activation("relu", ("x",), ReLU())), ("relu",))


def squared_error(values: Tensor, unit: float, steps: int, offset: float) -> float:
    words = (values.double() / unit + offset).floor().clamp(0, 2**steps - 1)
    return float((words * unit - values.double().clamp(min=0)).square().mean())


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize("steps", STEPS)
def test_least_squares_is_what_a_search_over_the_values_finds(steps: int, offset: float) -> None:
    values = activations(5)
    seen = observe(relu_network(5), values, per_channel=True)["relu"]
    units = least_squares_units(replace(seen, images=MANY), 2**steps - 1, offset)
    for channel, unit in enumerate(units.tolist()):
        mine = values[:, channel]
        top = float(mine.max()) / (2**steps - 1)
        best = min(squared_error(mine, top * 0.97**power, steps, offset) for power in range(120))
        assert squared_error(mine, unit, steps, offset) <= 1.03 * best


@pytest.mark.parametrize(("offset", "share"), [(0.0, 1.01), (0.5, 0.9), (0.5, 0.504)])
def test_the_smallest_unit_is_found_where_nearly_all_is_small(offset: float, share: float) -> None:
    """One large activation among many that a sixteenth of it fits best, if only just: together they are worth more."""
    values = torch.full((40_000, 1, 8), share / 16)
    values[0, 0, 0] = 1.0
    seen = observe(relu_network(1), values, per_channel=True)["relu"]
    (unit,) = least_squares_units(replace(seen, images=MANY), 1, offset).tolist()
    assert unit == pytest.approx(1 / 16, rel=1e-6)


@pytest.mark.skipif(not COMPILED, reason="not compiled")
@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(1, 40), st.integers(1, 30), st.sampled_from([0.0, 0.5]))
def test_the_kernel_finds_what_trying_all_units_finds(steps: int, channels: int, images: int, offset: float) -> None:
    """Though it leaves units alone as soon as saturation alone makes them worse."""
    values = activations(channels)[:images, :, :1]
    seen = observe(
        Network((Input("x", (), (channels, 1)), Activation("relu", ("x",), ReLU())), ("relu",)),
        values,
        per_channel=True,
    )
    found = least_squares_units(seen["relu"], 2**steps - 1, offset)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("respike.calibrate.rounding._native", None)
        wanted = least_squares_units(seen["relu"], 2**steps - 1, offset)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=0.0)  # units of one size may be tried twice


@pytest.mark.parametrize("steps", STEPS)
def test_the_largest_activation_is_the_largest_word(steps: int) -> None:
    values = activations(3)
    network = relu_network(3)
    by_channel = largest_units(observe(network, values, per_channel=True)["relu"], 2**steps - 1)
    by_layer = largest_units(observe(network, values)["relu"], 2**steps - 1)
    assert torch.allclose(by_channel * (2**steps - 1), values.amax((0, 2)).double())
    assert torch.allclose(by_layer * (2**steps - 1), values.max().double())


def test_one_unit_for_the_layer_is_no_better_than_one_for_each_channel() -> None:
    values, network = activations(5), relu_network(5)
    own = least_squares_units(observe(network, values, per_channel=True)["relu"], 15, 0.5).tolist()
    (shared,) = least_squares_units(observe(network, values)["relu"], 15, 0.5).tolist()
    apart = [squared_error(values[:, channel], unit, 15, 0.5) for channel, unit in enumerate(own)]
    together = [squared_error(values[:, channel], shared, 15, 0.5) for channel in range(5)]
    assert sum(apart) < sum(together)


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 8), st.integers(1, 6), st.sampled_from([0.0, 0.5]))
def test_many_images_give_each_channel_its_own_unit(steps: int, channels: int, offset: float) -> None:
    """At least as good on the images seen as the one that it gets alone."""
    values = activations(channels)[:20]
    seen = observe(relu_network(channels), values, per_channel=True)["relu"]
    units = least_squares_units(replace(seen, images=MANY), 2**steps - 1, offset)
    for channel, unit in enumerate(units):
        alone = observe(relu_network(1), values[:, channel : channel + 1], per_channel=True)["relu"]
        found, best = (
            squared_error(values[:, channel], float(one), steps, offset)
            for one in (unit, least_squares_units(alone, 2**steps - 1, offset))
        )
        assert found <= 1.1 * best  # 160 values, and bins that are 1.6 % wide


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 8), st.integers(2, 6), st.sampled_from([0.0, 0.5]))
def test_a_channel_that_was_never_active_gets_the_unit_of_its_layer(steps: int, channels: int, offset: float) -> None:
    values = activations(channels)[:20]
    values[:, 0] = -1.0
    network = relu_network(channels)
    units = least_squares_units(observe(network, values, per_channel=True)["relu"], 2**steps - 1, offset)
    layer = least_squares_units(observe(network, values)["relu"], 2**steps - 1, offset)
    assert units[0] == pytest.approx(float(layer), rel=0.06)  # a candidate more, or less
    dead = observe(network, torch.full((3, channels, 8), -1.0), per_channel=True)["relu"]
    assert not least_squares_units(dead, 2**steps - 1, offset).any()


def test_what_a_channel_is_expected_to_do_is_its_own_and_one_image_of_its_layer() -> None:
    values = activations(4)
    for images in (1, 3, 100):
        seen = observe(relu_network(4), [values[:1], values[1:images]], per_channel=True)["relu"]
        assert seen.images == images
        own = seen.histogram.double()
        assert torch.allclose(seen.expected - own, (own.sum(0) / 4 / images).expand_as(own))
        assert torch.allclose(seen.expected.sum(0), own.sum(0) * (images + 1) / images)
    layer = observe(relu_network(4), values)["relu"]
    assert torch.equal(layer.expected, layer.histogram.double())


@pytest.mark.parametrize("steps", [4, 6, 8])
def test_few_images_lose_far_less_on_the_next_ones_than_each_channel_alone(steps: int) -> None:
    draw = torch.Generator().manual_seed(steps)
    scales = torch.rand(12, 1, generator=draw) * 3 + 0.3
    values = (torch.randn(600, 12, 8, generator=draw) * scales * torch.randn(600, 12, 1, generator=draw).exp()).relu()
    shown, hidden = values[:8], values[8:]
    seen = observe(relu_network(12), shown, per_channel=True)["relu"]
    own = replace(seen, images=MANY)
    layer = observe(relu_network(12), shown)["relu"]
    lost = [_lost(hidden, least_squares_units(one, 2**steps - 1, 0.5), steps) for one in (seen, own, layer)]
    assert lost[0] < lost[1] / 2
    assert lost[0] < lost[2] * 1.15  # nobody can know more of such tails from eight images


@pytest.mark.parametrize("steps", [4, 6])
def test_channels_of_other_scales_lose_less_than_with_the_unit_of_their_layer(steps: int) -> None:
    values = activations(5)
    shown, hidden = values[:200], values[200:]
    channels, layer = (observe(relu_network(5), shown, per_channel=each)["relu"] for each in (True, False))
    units = [least_squares_units(one, 2**steps - 1, 0.5).expand(5)[1:4] for one in (channels, layer)]
    lost = [_lost(hidden[:, 1:4], each, steps) for each in units]
    assert lost[0] < lost[1] / 2


def _lost(values: Tensor, units: Tensor, steps: int) -> float:
    """Squared errors of all channels, each with its unit, or all with one."""
    each = units.expand(values.shape[1]).tolist()
    return sum(squared_error(values[:, channel], unit, steps, 0.5) for channel, unit in enumerate(each))
