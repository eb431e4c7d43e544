"""What is said of a conversion before it is run."""

from __future__ import annotations

import pytest
import torch

from networks import Builder, images
from respike import methods
from respike.cli import running
from respike.ir import Network


def _network(layers: int) -> Network:
    builder = Builder((2, 4, 4), 0)
    for _ in range(layers):
        builder.conv(2)
        builder.relu()
    return builder.network()


@pytest.mark.parametrize(("layers", "count", "told"), [(3, 100, ""), (3, 99, "99 calibration"), (12, 100, "12 layers")])
def test_what_a_run_will_suffer_from_is_said_before(
    layers: int, count: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    network = _network(layers)
    calibration = images(network, count)
    plan = methods.data_norm(network, calibration, steps=4)
    running._forewarn("data_norm", network, plan, calibration)
    said = capsys.readouterr().err
    assert told in said if told else not said
    subtracting = methods.max_norm(network, calibration, steps=4)
    running._forewarn("max_norm", network, subtracting, torch.cat([calibration, calibration]))
    assert not capsys.readouterr().err
