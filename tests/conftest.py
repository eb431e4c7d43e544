"""Tests run on machines that are shared: one thread each, and no time is a failure."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, settings

from respike.engines.event import COMPILED

torch.set_num_threads(1)
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def pytest_configure(config: pytest.Config) -> None:
    """Where there was no compiler, the batched engine runs in the place of the event engine, and says so."""
    if not COMPILED:
        config.addinivalue_line("filterwarnings", "ignore:the event engine was not compiled")
