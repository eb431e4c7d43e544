"""Tests run on machines that are shared: one thread each, and no time is a failure."""

from __future__ import annotations

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
