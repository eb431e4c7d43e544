"""The architectures are those of the papers, and the recipe's learning rate is one cycle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from respike import zoo
from respike.data import load
from respike.errors import InvalidOption, UnknownName
from respike.zoo import Entry, Recipe
from respike.zoo.training import augmented

_SHAPES = {
    "mlp": [(1200, 784), (1200, 1200), (10, 1200)],
    "cnn": [(16, 1, 5, 5), (16, 16, 5, 5), (10, 256)],
    "cnn-diehl": [(12, 1, 5, 5), (64, 12, 5, 5), (10, 1024)],
}


_WITHOUT_BIASES = [entry for entry in zoo.ENTRIES if entry.name.partition("-")[2] in _SHAPES]


@pytest.mark.parametrize("entry", _WITHOUT_BIASES, ids=lambda entry: entry.name)
def test_the_weights_are_those_of_the_paper_and_there_are_no_biases(entry: Entry) -> None:
    network = entry.build().eval()
    assert [tuple(weight.shape) for weight in network.parameters()] == _SHAPES[entry.name.partition("-")[2]]
    assert all(getattr(layer, "bias", None) is None for layer in network.modules())
    assert network(torch.rand(3, *entry.input_shape)).shape == (3, 10)
    # Without biases the zero image has no evidence for any class.
    assert torch.equal(network(torch.zeros(1, *entry.input_shape)), torch.zeros(1, 10))


@pytest.mark.parametrize(("name", "pool_first"), [("mnist-cnn", False), ("mnist-cnn-diehl", True)])
def test_where_the_pooling_stands(name: str, pool_first: bool) -> None:
    kinds = [type(layer) for layer in zoo.find(name).build().children()]
    assert (kinds.index(nn.AvgPool2d) < kinds.index(nn.ReLU)) is pool_first
    assert kinds.count(nn.AvgPool2d) == kinds.count(nn.ReLU) == 2


def test_names_are_unique_and_a_wrong_one_gets_the_nearest() -> None:
    names = [entry.name for entry in zoo.ENTRIES]
    assert len(set(names)) == len(names) > 6
    assert all(zoo.find(name).name == name for name in names)
    with pytest.raises(UnknownName, match="did you mean 'mnist-cnn'"):
        zoo.find("mnist_cnn")
    with pytest.raises(UnknownName):
        zoo.load("lenet")


@given(st.floats(1e-4, 1.0), st.floats(0.0, 0.9), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_learning_rate_rises_once_and_falls_once(peak: float, warmup: float, one: float, other: float) -> None:
    recipe = Recipe(1, peak=peak, warmup=warmup)
    early, late = (recipe.learning_rate(progress) for progress in sorted((one, other)))
    assert 0 <= early <= peak * (1 + 1e-12)
    if max(one, other) < warmup:
        assert early <= late
    if min(one, other) >= warmup:
        assert early >= late
    assert recipe.learning_rate(warmup) == pytest.approx(peak)
    assert recipe.learning_rate(1.0) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"batch_size": 0}, {"peak": 0.0}, {"peak": float("nan")}, {"warmup": 1.0}, {"warmup": -0.1}],
)
def test_a_recipe_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidOption):
        Recipe(**({"epochs": 1} | wrong))  # type: ignore[arg-type]


def test_a_network_is_measured_as_by_hand() -> None:
    network, images = zoo.find("mnist-cnn").build().eval(), load("mnist", "test").take(37)
    score = zoo.evaluate(network, images, batch_size=10)
    logits = network(images.images)
    assert score.accuracy == float((logits.argmax(1) == images.labels).double().mean())
    assert score.loss == pytest.approx(float(nn.functional.cross_entropy(logits, images.labels).detach()), rel=1e-5)


@pytest.mark.parametrize("descent", zoo.Descent)
def test_images_are_shifted_and_flipped_anew_in_each_epoch(descent: zoo.Descent, tmp_path: Path) -> None:
    """The same seed gives the same weights, other augmentation other ones."""
    entry = zoo.find("mnist-cnn")
    digests: dict[tuple[int, bool], str] = {}
    for shift, flip in ((0, False), (2, False), (2, True), (2, True)):
        recipe = Recipe(1, batch_size=50, peak=0.01, descent=descent, shift=shift, flip=flip)
        folder = tmp_path / f"{len(digests)}"
        small = load("mnist", "calibration").take(100)
        again = (shift, flip) in digests
        result = zoo.train(replace(entry, recipe=recipe), directory=folder, train_set=small, test_set=small)
        assert not again or digests[shift, flip] == result.sha256
        digests[shift, flip] = result.sha256
    assert len(set(digests.values())) == 3


def test_a_shift_moves_whole_images() -> None:
    images = torch.arange(1.0, 10).reshape(1, 1, 3, 3).repeat(40, 1, 1, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        moved = augmented(images, Recipe(1, shift=1, flip=False))
    assert len({tuple(image.flatten().tolist()) for image in moved}) == 9
    for image in moved:
        kept = image[image > 0]
        assert torch.isin(kept, images).all()
        assert len(kept) in (4, 6, 9)
