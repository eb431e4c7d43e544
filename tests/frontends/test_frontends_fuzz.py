"""Random torch modules: each loads and equals the original, or is refused naming an operator.

`RESPIKE_FUZZ=2000 python -m pytest tests/frontends/test_frontends_fuzz.py --hypothesis-show-statistics`
runs a longer search and tells how many of both there were.
"""

from __future__ import annotations

import os
import re

import torch
from hypothesis import HealthCheck, event, given, settings
from torch import Tensor

from frontends.random_models import WORDS, RandomModel, models
from respike import load
from respike.errors import InvalidData, InvalidNetwork, UnsupportedOperator
from respike.frontends.torch.capture import run_model
from respike.passes import STANDARD

EXAMPLES = int(os.environ.get("RESPIKE_FUZZ", "12"))


def _like(x: Tensor) -> Tensor:
    """Five other samples."""
    if not x.is_floating_point():
        return torch.randint(0, WORDS, (5, *x.shape[1:]))
    return torch.randn(5, *x.shape[1:], dtype=x.dtype)


@settings(
    max_examples=EXAMPLES,
    derandomize="RESPIKE_FUZZ" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(case=models())
def test_a_module_loads_equal_or_is_refused_by_name(case: tuple[RandomModel, tuple[Tensor, ...]]) -> None:
    model, inputs = case
    try:
        # Compares with the original, to 1e-9. A final softmax is kept, so that outputs are the original's.
        network = load(model, inputs, passes=STANDARD[1:])
    except UnsupportedOperator as error:
        message = str(error)
    except InvalidData as error:
        if "the network cannot run on a batch" not in str(error):
            raise
        event("runs on one batch size alone")
        return
    except InvalidNetwork as error:
        if "the original itself gives NaN" not in str(error):
            raise
        event("not finite")
        return
    else:
        message = ""
    event("refused" if message else "equal")
    if message:
        assert re.search(r"\w+ \(\w+\): \w+|output '\w+' mixes", message), message
        return
    others = tuple(_like(x) for x in inputs)
    values = network.values(others, network.outputs)
    for name, wanted in zip(network.outputs, run_model(model, others), strict=True):
        assert values[name].shape == wanted.shape
        assert (values[name] - wanted).abs().max() <= 1e-5 * (wanted.abs().max() + 0.01), name
