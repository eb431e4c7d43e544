"""Scores: metrics against plain numpy, and the verb against metrics of the outputs of one simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import respike
from networks import images, networks
from respike import Score, SpikingNetwork, metrics, score, simulate
from respike.errors import InvalidData, InvalidOption
from respike.measure.rounded import outputs_and_rounded
from respike.methods import few_spikes, max_norm
from respike.metrics import BitsPerSymbol, CosineSimilarity, MeanIoU, MeanSquaredError, Metric, PixelAccuracy, RSquared
from respike.plan import Plan, Site
from respike.schedule import Steady


def of_batches(metric: Metric, outputs: Tensor, targets: Tensor, cut: int) -> float:
    """The metric, from the sums of two batches."""
    metric.check(outputs.shape, targets)
    parts = [metric.sums(outputs[part], targets[part]) for part in (slice(cut), slice(cut, None))]
    return metric.value(parts[0] + parts[1])


def numbers(seed: int, images: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(images, *shape, generator=generator) * 3 + 2 for _ in range(2))  # type: ignore[return-value]


SHAPES = st.sampled_from([(1,), (5,), (2, 3, 4)])


@settings(max_examples=30, derandomize=True, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(3, 9), shape=SHAPES)
def test_metrics_of_numbers_are_what_numpy_computes(seed: int, count: int, shape: tuple[int, ...]) -> None:
    outputs, targets = numbers(seed, count, shape)
    found, wanted = outputs.double().numpy(), targets.double().numpy()
    assert of_batches(MeanSquaredError(), outputs, targets, 2) == pytest.approx(((found - wanted) ** 2).mean())

    explained = 1 - ((found - wanted) ** 2).sum(0) / ((wanted - wanted.mean(0)) ** 2).sum(0)
    assert of_batches(RSquared(), outputs, targets, 2) == pytest.approx(explained.mean())

    flat, aims = found.reshape(count, -1), wanted.reshape(count, -1)
    cosines = (flat * aims).sum(1) / np.linalg.norm(flat, axis=1) / np.linalg.norm(aims, axis=1)
    assert of_batches(CosineSimilarity(), outputs, targets, 2) == pytest.approx(cosines.mean())


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 999),
    classes=st.integers(2, 6),
    shape=st.sampled_from([(3,), (2, 3)]),
    ignore=st.sampled_from([None, 0, 255]),
)
def test_metrics_of_masks_are_what_numpy_counts(
    seed: int, classes: int, shape: tuple[int, ...], ignore: int | None
) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(4, classes, *shape, generator=generator)
    targets = torch.randint(classes, (4, *shape), generator=generator)
    targets[:, 0] = 1
    if ignore is not None:
        targets[0, 1] = ignore
    found, mask = outputs.numpy().argmax(1), targets.numpy()
    kept = np.ones_like(mask, dtype=bool) if ignore is None else mask != ignore
    assert of_batches(PixelAccuracy(ignore), outputs, targets, 1) == pytest.approx((found == mask)[kept].mean())

    shares = []
    for one in range(classes):
        in_found, in_mask = (found == one) & kept, (mask == one) & kept
        if (in_found | in_mask).any():
            shares.append((in_found & in_mask).sum() / (in_found | in_mask).sum())
    assert of_batches(MeanIoU(ignore), outputs, targets, 1) == pytest.approx(np.mean(shares))

    logits = np.exp(np.moveaxis(outputs.double().numpy(), 1, -1)[kept])
    right = logits[np.arange(len(logits)), mask[kept]] / logits.sum(1)
    assert of_batches(BitsPerSymbol(ignore), outputs, targets, 1) == pytest.approx(-np.log2(right).mean())


@pytest.mark.parametrize("metric", [one() for one in metrics.ALL], ids=lambda one: one.name)
def test_outputs_are_perfect_against_what_they_stand_for(metric: Metric) -> None:
    outputs, worse = numbers(1, 6, (3, 4, 4))
    own = metric.own(outputs)
    metric.check(outputs.shape, own)
    perfect, other = (metric.value(metric.sums(one, own)) for one in (outputs, worse))
    if not isinstance(metric, BitsPerSymbol):  # a network is not certain of what it decides
        assert perfect == pytest.approx(1.0 if metric.larger_is_better else 0.0)
    assert (other < perfect) == metric.larger_is_better


@pytest.mark.parametrize("metric", [MeanSquaredError(), RSquared(), CosineSimilarity()], ids=lambda one: one.name)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_target_that_is_no_number_is_enough(metric: Metric, bad: float) -> None:
    targets = torch.ones(3, 4)
    metric.check((3, 4), targets)
    targets[1, 2] = bad
    with pytest.raises(InvalidData, match="real and finite"):
        metric.check((3, 4), targets)
    with pytest.raises(InvalidData, match="real and finite"):
        metric.check((3, 4), torch.ones(3, 4, dtype=torch.complex64))


@pytest.mark.parametrize("constant", [0.0, 0.3, -7.0])
def test_where_targets_of_one_output_do_not_vary_there_is_no_share_of_their_variance(constant: float) -> None:
    outputs, targets = numbers(0, 5, (3,))
    targets[:, 1] = constant
    with pytest.raises(InvalidData, match="those of output 1 "):
        of_batches(RSquared(), outputs, targets, 2)


def test_masks_and_outputs_at_the_borders_of_what_is_taken() -> None:
    two = torch.tensor([[0, 1, 1], [1, 0, 0]])
    PixelAccuracy().check((2, 2, 3), two)
    for shape in ((2, 1, 3), (2, 3)):
        with pytest.raises(InvalidData, match="at least 2 classes"):
            PixelAccuracy().check(shape, None)
    for wrong in (2, -1):
        with pytest.raises(InvalidData, match=f"classes from 0 to 1, got {wrong}: .*ignore={wrong}"):
            PixelAccuracy().check((2, 2, 3), torch.where(two == 1, wrong, two))
        PixelAccuracy(ignore=wrong).check((2, 2, 3), torch.where(two == 1, wrong, two))
    with pytest.raises(InvalidData, match=r"masks must be integers \[2, 3\], got torch.int64 \[3, 2\]"):
        PixelAccuracy().check((2, 2, 3), two.T)
    with pytest.raises(InvalidData, match=r"got torch\.bool"):
        PixelAccuracy().check((2, 2, 3), two.bool())


def test_symbols_that_do_not_count_cost_no_bits() -> None:
    logits = torch.zeros(1, 4, 3)  # each of four symbols is as likely: two bits
    for metric, symbols, bits in (
        (BitsPerSymbol(), [[0, 3, 1]], 2.0),
        (BitsPerSymbol(ignore=0), [[0, 3, 1]], 2.0),
        (BitsPerSymbol(ignore=9), [[9, 9, 1]], 2.0),
    ):
        assert metric.value(metric.sums(logits, torch.tensor(symbols))) == pytest.approx(bits)
    nothing = BitsPerSymbol(ignore=9)
    assert nothing.sums(logits, torch.full((1, 3), 9)).tolist() == [0, 0]
    with pytest.raises(InvalidData, match="every position of the masks is 9"):
        nothing.value(nothing.sums(logits, torch.full((1, 3), 9)))


def test_classes_that_do_not_occur_count_for_nothing() -> None:
    """Of three classes the third is in no mask; decided once, it is a class with nothing in common."""
    mask = torch.tensor([[0, 0, 1, 1]])
    for decided, wanted in (
        ([0, 0, 1, 1], 1.0),
        ([0, 1, 1, 1], (1 / 2 + 2 / 3) / 2),
        ([0, 2, 1, 1], (1 / 2 + 1 + 0) / 3),
    ):
        outputs = torch.nn.functional.one_hot(torch.tensor([decided]), 3).movedim(-1, 1).double()
        assert MeanIoU().value(MeanIoU().sums(outputs, mask)) == pytest.approx(wanted)


def test_metrics_say_what_is_better_and_are_listed_by_the_names_of_their_files() -> None:
    assert {name: one().larger_is_better for name, one in metrics.named().items()} == {
        "bits_per_symbol": False,
        "cosine_similarity": True,
        "mean_iou": True,
        "mean_squared_error": False,
        "pixel_accuracy": True,
        "r_squared": True,
    }


def test_the_cosine_with_an_output_of_zero_is_zero() -> None:
    assert of_batches(CosineSimilarity(), torch.zeros(4, 3), torch.ones(4, 3), 2) == 0.0


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=networks())
def test_a_score_is_the_metric_of_the_outputs_of_one_simulation(network: respike.ir.Network) -> None:
    spiking = SpikingNetwork(network, Plan({n.name: Site(0.4) for n in network.activations}, Steady(6)))
    batch = images(network, 70)  # two batches
    outputs = network(batch)
    targets = outputs + torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1))
    over_time = simulate(spiking, batch).outputs_over_time
    scored = score(spiking, (batch, targets), MeanSquaredError())
    steps = torch.arange(1, 7).reshape(-1, 1, 1)
    assert scored.values == pytest.approx(((over_time / steps - targets) ** 2).mean((1, 2)).tolist())
    assert scored.network_value == pytest.approx(float(((outputs - targets) ** 2).mean()))
    rounded = outputs_and_rounded(network, spiking.plan, batch)[1]
    assert rounded is not None
    assert scored.rounded_value == pytest.approx(float(((rounded - targets) ** 2).mean()))
    assert (scored.labelled, scored.images, list(scored.times)) == (True, 70, [1, 2, 3, 4, 5, 6])

    report = respike.measure(spiking, batch)
    for name in ("spikes_per_neuron", "synaptic_operations", "energy_ratio", "macs", "energy_model", "engine"):
        assert getattr(scored, name) == getattr(report, name)


class Segmenting(nn.Module):
    """A small U-Net: three classes at each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.below = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.up, self.out = nn.Conv2d(12, 4, 3, padding=1), nn.Conv2d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down(x).relu()
        coarse = self.below(nn.functional.avg_pool2d(fine, 2)).relu()
        joined = torch.cat([fine, nn.functional.interpolate(coarse, scale_factor=2)], 1)
        out: Tensor = self.out(self.up(joined).relu())
        return out


@pytest.fixture(scope="module")
def segmenting() -> tuple[SpikingNetwork, Tensor]:
    torch.manual_seed(0)
    batch = torch.rand(6, 1, 8, 8)
    network = respike.load(Segmenting().eval(), batch)
    return SpikingNetwork(network, max_norm(network, batch, steps=64)), batch


def test_segmentation_against_the_networks_own_masks(segmenting: tuple[SpikingNetwork, Tensor]) -> None:
    spiking, batch = segmenting
    own = spiking.network(batch).argmax(1)
    decided = simulate(spiking, batch).outputs_over_time.argmax(2)
    scored = score(spiking, batch, PixelAccuracy())
    assert scored.values == pytest.approx((decided == own).double().mean((1, 2, 3)).tolist())
    assert (scored.labelled, scored.network_value) == (False, 1.0)
    assert scored.values[0] < 0.9 < scored.value < 1.0
    given_masks = score(spiking, (batch, own), MeanIoU())
    assert given_masks.labelled
    assert given_masks.values == score(spiking, batch, MeanIoU()).values


def test_few_spikes_have_one_value(segmenting: tuple[SpikingNetwork, Tensor]) -> None:
    spiking, batch = segmenting
    network = spiking.network
    plan = few_spikes(network, batch)
    scored = score(SpikingNetwork(network, plan), batch, MeanSquaredError())
    outputs = SpikingNetwork(network, plan)(batch)
    error = float((outputs - network(batch)).square().mean())
    assert scored.values == pytest.approx([error], rel=1e-4)
    assert list(scored.times) == [scored.latency]


def test_a_score_as_text_and_json(segmenting: tuple[SpikingNetwork, Tensor]) -> None:
    spiking, batch = segmenting
    scored = score(spiking, batch, MeanSquaredError(), limit=4, dataset_name="squares")
    again = Score.from_json(scored.to_json())
    assert again.to_json() == scored.to_json()
    assert again.values == scored.values
    text = repr(scored)
    assert "4 images of squares" in text
    assert "the network's own outputs" in text
    assert f"mean squared error  {scored.value:.6g} after 64 steps" in text
    assert "smaller is better" in text


def test_a_metric_of_ones_own(segmenting: tuple[SpikingNetwork, Tensor]) -> None:
    class Largest:
        """The mean over images of the largest error."""

        name, larger_is_better = "largest error", False

        def check(self, shape: Any, targets: Tensor | None) -> None:
            assert targets is None

        def own(self, outputs: Tensor) -> Tensor:
            return outputs

        def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
            errors = (outputs - targets).abs().flatten(1).amax(1).double()
            return torch.stack((errors.sum(), torch.tensor(float(len(errors)))))

        def value(self, sums: Tensor) -> float:
            return float(sums[0] / sums[1])

    spiking, batch = segmenting
    largest = (spiking(batch) - spiking.network(batch)).abs().flatten(1).amax(1).mean()
    assert score(spiking, batch, Largest()).value == pytest.approx(float(largest))


def test_what_fits_no_metric_says_what_to_do(segmenting: tuple[SpikingNetwork, Tensor]) -> None:
    spiking, batch = segmenting
    masks = spiking.network(batch).argmax(1)
    marked = masks.clone()
    marked[0, 0, 0] = 255
    with pytest.raises(InvalidData, match=r"output has shape \[3, 8, 8\]: .*respike\.score"):
        respike.measure(spiking, batch)
    with pytest.raises(InvalidData, match=r"images from 0 on: masks must hold classes from 0 to 2, .*ignore=255"):
        score(spiking, (batch, marked), MeanIoU())
    assert score(spiking, (batch, marked), MeanIoU(ignore=255)).network_value == 1.0
    with pytest.raises(InvalidData, match="which is ignored"):
        score(spiking, (batch, torch.full_like(masks, 255)), PixelAccuracy(ignore=255))
    with pytest.raises(InvalidData, match="which is ignored"):
        score(spiking, (batch, torch.full_like(masks, 255)), MeanIoU(ignore=255))
    with pytest.raises(InvalidData, match=r"masks must be integers \[6, 8, 8\], got torch.float32"):
        score(spiking, (batch, masks.float()), PixelAccuracy())
    with pytest.raises(InvalidData, match=r"outputs' shape \[6, 3, 8, 8\], got \[6, 8, 8\]: give the images alone"):
        score(spiking, (batch, masks), MeanSquaredError())
    with pytest.raises(InvalidData, match="real and finite"):
        score(spiking, (batch, spiking.network(batch) * torch.nan), CosineSimilarity())
    with pytest.raises(InvalidOption, match=r"CosineSimilarity\(\), MeanIoU\(\)"):
        score(spiking, batch, MeanIoU)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="'mse'"):
        score(spiking, batch, "mse")  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="limit"):
        score(spiking, batch, MeanIoU(), limit=0)
    with pytest.raises(InvalidData, match="no image"):
        score(spiking, [], MeanIoU())


def test_regression_with_one_output() -> None:
    torch.manual_seed(0)
    batch = torch.rand(20, 4)
    network = respike.load(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).eval(), batch)
    spiking = SpikingNetwork(network, max_norm(network, batch, steps=256))
    targets = network(batch).squeeze(1)
    with pytest.raises(InvalidData, match=r"use targets.unsqueeze\(1\)"):
        score(spiking, (batch, targets), RSquared())
    scored = score(spiking, (batch, targets.unsqueeze(1)), RSquared())
    assert scored.network_value == pytest.approx(1.0)
    assert 0.99 < scored.value < 1.0
    with pytest.raises(InvalidData, match=r"output 0 .*use MeanSquaredError\(\)"):
        score(spiking, (batch, torch.full((20, 1), 0.3)), RSquared())
    assert score(spiking, (batch, torch.full((20, 1), 0.3)), MeanSquaredError()).value > 0
    with pytest.raises(InvalidData, match=r"the network gives \[batch, 1\]"):
        score(spiking, batch, MeanIoU())
