"""Calibration sets as batches, which of their images are taken, and what is said of those that cannot be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from networks import Builder
from respike.calibrate import check_apart, check_spikes, first_images, for_channels, image_batches, largest_weights
from respike.calibrate.batches import BATCH_SIZE
from respike.calibrate.channels import channel_axis
from respike.errors import InvalidData, InvalidNetwork
from respike.ir import Activation, Add, Conv, Function, Identity, Input, Linear, Network, ReLU, Reshape

IMAGES = torch.randn(2 * BATCH_SIZE + 1, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def network() -> Network:
    build = Builder((5,), 0)
    return Network((Input("x", (), (5,)), Linear("out", ("x",), build.random(3, 5))), ("out",))


def test_a_tensor_is_taken_in_batches() -> None:
    batches = list(image_batches(network(), IMAGES))
    assert [len(batch) for batch in batches] == [BATCH_SIZE, BATCH_SIZE, 1]
    assert torch.equal(torch.cat(batches), IMAGES)


@pytest.mark.parametrize("count", [1, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, len(IMAGES), len(IMAGES) + 1])
def test_the_first_images_are_taken_and_no_batch_behind_them(count: int) -> None:
    read = 0

    class Counted:
        def __iter__(self):  # type: ignore[no-untyped-def]
            nonlocal read
            for batch in torch.split(IMAGES, BATCH_SIZE):
                read += 1
                yield batch, torch.zeros(len(batch))

    assert torch.equal(first_images(network(), Counted(), count), IMAGES[:count])
    assert read == min(3, -(-count // BATCH_SIZE))


def test_the_error_says_after_how_many_images() -> None:
    batches = [IMAGES[:7], IMAGES[:0], IMAGES[7:9], torch.full((2, 5), float("nan"))]
    with pytest.raises(InvalidData, match=r"the calibration set, after 9 images: .*NaN"):
        list(image_batches(network(), batches))


@pytest.mark.parametrize(
    ("calibration", "held_out", "message"),
    [
        (IMAGES[:0], IMAGES[:3], "needs calibration images and held-out images"),
        (IMAGES[:3], IMAGES[:0], "needs calibration images and held-out images"),
        (IMAGES[:5], IMAGES[3:9], "2 of the held-out images are calibration images too"),
        (IMAGES[:5], IMAGES[5:9], ""),
    ],
)
def test_images_for_scores_are_none_that_methods_look_at(calibration: Tensor, held_out: Tensor, message: str) -> None:
    if not message:
        check_apart(calibration, held_out)
        return
    with pytest.raises(InvalidData, match=message):
        check_apart(calibration, held_out)


def test_something_must_spike() -> None:
    with pytest.raises(InvalidNetwork, match="the network has no activations: nothing in it would spike"):
        check_spikes(network())


@pytest.mark.parametrize(
    ("function", "shape", "axis"), [(Identity(), (4, 6), 1), (ReLU(), (4, 6), 0), (Identity(), (6,), 0)]
)
def test_channels_come_last_on_an_edge_that_a_linear_layer_reads(
    function: Function, shape: tuple[int, ...], axis: int
) -> None:
    """Beside another reader, too. Numbers of channels then broadcast against `[batch, *shape]`."""
    nodes = (
        Input("x", (), shape),
        Activation("a", ("x",), function),
        Reshape("flat", ("a",), (torch.Size(shape).numel(),)),
        Linear("out", ("a",), torch.ones(2, 6, dtype=torch.float64)),
    )
    small = Network(nodes, ("flat", "out"))
    assert channel_axis(small, "a") == axis
    numbers = for_channels(torch.arange(6.0), small, "a")
    assert numbers.shape == ((1,) * axis + (6,))
    assert channel_axis(Network(nodes[:3], ("flat",)), "a") == 0


def test_the_largest_weight_in_front_of_each_activation() -> None:
    """The largest, not that of largest magnitude, of all layers that feed it; none where none does."""

    def conv(name: str, source: str, *weights: float) -> Conv:
        one = (1, 1)
        return Conv(name, (source,), torch.tensor(weights).double().reshape(-1, 1, 1, 1), None, one, (0, 0), one)

    nodes = (
        Input("x", (), (1, 2, 2)),
        Activation("first", ("x",), ReLU()),
        conv("a", "first", 0.5),
        conv("b", "first", -3.0),
        Add("sum", ("a", "b")),
        Activation("second", ("sum",), ReLU()),
        conv("c", "second", 0.25, -2.0),
        Activation("third", ("c",), ReLU()),
    )
    found = largest_weights(Network(nodes, ("third",)))
    assert found == {"first": float("-inf"), "second": 0.5, "third": 0.25}
