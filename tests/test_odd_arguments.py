"""Verbs given something else altogether: each says what it takes, and how one gets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import respike
from respike import SpikingNetwork, compare, hardware, load, measure, methods, prepare, refine, simulate
from respike.errors import InvalidData, InvalidOption, RespikeError

MODEL = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
IMAGES, LABELS = torch.rand(8, 4), torch.arange(8) % 3
NET = load(MODEL, IMAGES)
PLAN = methods.max_norm(NET, IMAGES, steps=3)
SPIKING = SpikingNetwork(NET, PLAN)
anything: Any = respike
any_measure: Any = measure
any_method: Any = methods.max_norm
any_network: Any = SpikingNetwork
any_simulate: Any = simulate
any_compare: Any = compare
any_prepare: Any = prepare
any_refinement: Any = refine.correct_biases

CASES: list[tuple[Callable[[], object], type[RespikeError], str]] = [
    (lambda: any_method(MODEL, IMAGES), InvalidOption, r"network must be a Network, not a Sequential: .*respike\.load"),
    (lambda: any_method(network=MODEL, calibration=IMAGES), InvalidOption, r"respike\.load\(model"),
    (lambda: any_prepare(MODEL), InvalidOption, r"network must be a Network, not a Sequential"),
    (lambda: any_network(MODEL, PLAN), InvalidOption, r"network must be a Network, not a Sequential"),
    (lambda: any_network(NET, None), InvalidOption, r"plan must be a Plan, not a NoneType: a method makes one"),
    (lambda: any_network(PLAN, NET), InvalidOption, r"network must be a Network, not a Plan"),
    (lambda: any_refinement(NET, PLAN, IMAGES), InvalidOption, r"plan must be a Plan, not a Network"),
    (lambda: any_simulate(PLAN, IMAGES), InvalidOption, r"spiking must be a SpikingNetwork, not a Plan: convert"),
    (lambda: any_measure(MODEL, (IMAGES, LABELS)), InvalidOption, r"spiking must be a SpikingNetwork"),
    (
        lambda: any_measure(SPIKING, (IMAGES, LABELS), engine="event"),
        InvalidOption,
        r"one of respike.engines .*'event'",
    ),
    (lambda: any_measure(SPIKING, (IMAGES, LABELS), early_exit="bound"), InvalidOption, r"Bound\(\) or Margin"),
    (lambda: any_measure(SPIKING, (IMAGES.numpy(), LABELS.numpy())), InvalidData, "two tensors.*got a batch that is"),
    (lambda: any_measure(SPIKING, {"images": IMAGES}), InvalidData, "two tensors.*got dict"),
    (lambda: any_measure(SPIKING, None), InvalidData, "two tensors.*got NoneType"),
    (lambda: any_measure(SPIKING, "mnist"), InvalidData, "two tensors.*got str"),
    (lambda: any_measure(SPIKING, 3), InvalidData, "two tensors.*got int"),
    (lambda: any_method(NET, 3), InvalidData, "a tensor, or batches of them, not a int"),
    (lambda: any_method(NET, IMAGES.numpy()), InvalidData, "calibration set.*got ndarray"),
    (lambda: any_compare(MODEL, ["fit"], (IMAGES, LABELS)), InvalidOption, "network must be a Network, not a Seq"),
    (lambda: anything.diagnose(NET, IMAGES, LABELS), InvalidOption, "spiking must be a SpikingNetwork, not a Network"),
    (lambda: anything.recommend(MODEL, IMAGES, (IMAGES, LABELS)), InvalidOption, "network must be a Network, not a S"),
    (lambda: anything.tuning.tune(SPIKING, IMAGES, (IMAGES, LABELS), storage="s"), InvalidOption, "must be a Network"),
    (lambda: anything.report.observe(NET, (IMAGES, LABELS)), InvalidOption, "spiking must be a SpikingNetwork"),
    (lambda: anything.hardware.check(NET, hardware.ALL[0]), InvalidOption, "spiking must be a SpikingNetwork"),
    (lambda: anything.hardware.check(SPIKING, "loihi2"), InvalidOption, r"chip must be a Chip.*respike\.hardware\.ALL"),
    (lambda: anything.export.to_nir(NET), InvalidOption, "converted must be a SpikingNetwork, not a Network"),
    (
        lambda: anything.export.write_nir(SPIKING, "net.nir"),
        InvalidOption,
        "must be a SpikingNetwork, not a str",
    ),
    (lambda: anything.export.write_folder("net", MODEL), InvalidOption, "converted must be a SpikingNetwork"),
    (lambda: anything.export.to_program(NET), InvalidOption, "spiking must be a SpikingNetwork"),
    (lambda: anything.export.write_torch_archive("a.pt2", None), InvalidOption, "must be a SpikingNetwork, not a None"),
    (lambda: anything.lower.fixed_point(SPIKING, PLAN), InvalidOption, "network must be a Network, not a SpikingNet"),
    (lambda: anything.lower.fixed_point(NET, SPIKING), InvalidOption, "plan must be a Plan, not a SpikingNetwork"),
    (lambda: anything.lower.unit_spikes(NET, None), InvalidOption, "plan must be a Plan"),
    (lambda: any_compare(NET, IMAGES, (IMAGES, LABELS), ["fit"]), InvalidOption, "methods is a list"),
]


@pytest.mark.parametrize(("call", "kind", "told"), CASES)
def test_what_is_something_else_is_refused_in_words(
    call: Callable[[], object], kind: type[RespikeError], told: str
) -> None:
    with pytest.raises(kind, match=told):
        call()
