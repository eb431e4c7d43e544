"""Input codings: their laws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from respike.coding import Bernoulli, Coding, ConstantCurrent, IntegrateEncoder
from respike.errors import InvalidData, InvalidOption

CODINGS: list[Coding] = [ConstantCurrent(), Bernoulli(seed=5), IntegrateEncoder()]


def take(coding: Coding, images: torch.Tensor, chunks: list[int], first_image: int = 0) -> torch.Tensor:
    stream = coding.stream(images, first_image)
    return torch.cat([stream.take(steps).expand(steps, *images.shape) for steps in chunks])


@pytest.mark.parametrize("coding", CODINGS)
@settings(max_examples=20, derandomize=True, deadline=None)
@given(chunks=st.lists(st.integers(1, 9), min_size=1, max_size=5), cut=st.integers(1, 4))
def test_neither_chunks_nor_batches_change_the_input(coding: Coding, chunks: list[int], cut: int) -> None:
    images = torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole = take(coding, images, [sum(chunks)])
    assert torch.equal(whole, take(coding, images, chunks))
    parts = [take(coding, images[:cut], chunks), take(coding, images[cut:], chunks, first_image=cut)]
    assert torch.equal(whole, torch.cat(parts, 1))


def test_bernoulli_rates_follow_the_pixels_and_steps_are_independent() -> None:
    images = torch.linspace(0, 1, 11, dtype=torch.float64).reshape(1, 11).expand(40, 11)
    spikes = take(Bernoulli(rate=500.0, seed=1), images, [1000])
    means = spikes.mean((0, 1))
    assert torch.allclose(means, 0.5 * images[0], atol=5 * 0.5 / 40_000**0.5)
    assert float(spikes[:, :, 0].sum()) == 0
    centred = spikes[..., 5] - means[5]
    for shifted in (centred.roll(1, 0), centred.roll(1, 1)):
        assert abs(float((centred * shifted).mean() / centred.square().mean())) < 0.03


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_random_numbers_do_not_depend_on_the_type_of_the_network(dtype: torch.dtype) -> None:
    """Pixels that every type holds exactly, so that all types must give the very same spikes."""
    images = torch.tensor([[0.0, 1 / 256, 0.125, 0.4921875, 0.75, 1.0]], dtype=dtype).expand(8, 6)
    spikes = take(Bernoulli(seed=3), images, [500])
    assert spikes.dtype == dtype
    assert torch.equal(spikes.double(), take(Bernoulli(seed=3), images.double(), [500]))
    means = spikes.double().mean((0, 1))
    assert torch.allclose(means, images[0].double(), atol=5 * 0.5 / 4000**0.5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_dark_pixels_add_up_in_half_precision(dtype: torch.dtype) -> None:
    images = torch.tensor([[2.0**-13, 0.5]], dtype=dtype)
    counts = take(IntegrateEncoder(), images, [2**13]).double().sum(0)
    assert counts.tolist() == [[1.0, 2.0**12]]


def test_bernoulli_seeds_differ_and_repeat() -> None:
    images = torch.full((2, 50), 0.5)
    assert torch.equal(take(Bernoulli(seed=1), images, [20]), take(Bernoulli(seed=1), images, [20]))
    assert not torch.equal(take(Bernoulli(seed=1), images, [20]), take(Bernoulli(seed=2), images, [20]))


@settings(max_examples=50, derandomize=True, deadline=None)
@given(pixels=st.lists(st.integers(0, 64), min_size=1, max_size=9), steps=st.integers(1, 50))
def test_the_integrate_encoder_counts_to_the_floor(pixels: list[int], steps: int) -> None:
    """After t steps a pixel has spiked `floor(t x / threshold)` times, evenly."""
    images = torch.tensor([pixels], dtype=torch.float64) / 64
    counts = take(IntegrateEncoder(), images, [steps]).cumsum(0)
    times = torch.arange(1, steps + 1).reshape(-1, 1, 1)
    assert torch.equal(counts, (times * images).floor())


@pytest.mark.parametrize("coding", [Bernoulli(), IntegrateEncoder()])
@pytest.mark.parametrize("pixel", [-0.1, 1.1])
def test_pixels_out_of_range_are_refused(coding: Coding, pixel: float) -> None:
    with pytest.raises(InvalidData, match="needs pixels in"):
        coding.stream(torch.tensor([[0.5, pixel]]))


def test_options_out_of_range() -> None:
    with pytest.raises(InvalidOption):
        Bernoulli(rate=0.0)
    with pytest.raises(InvalidOption):
        IntegrateEncoder(threshold=-1.0)
