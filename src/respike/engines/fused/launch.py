"""Launching a Triton kernel: compiled on a GPU, interpreted on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from respike.errors import InvalidOption


def available() -> bool:
    """Whether Triton is installed."""
    return find_spec("triton") is not None


def require() -> None:
    """Raises `InvalidOption` where Triton is not installed."""
    if not available():
        raise InvalidOption('fused kernels need Triton: pip install "respike[triton]" (Linux)')


@cache
def compiled(kernel: Callable[..., None], device: str) -> Any:
    """The kernel for tensors on a kind of device; on a CPU Triton's interpreter runs it, slowly and with numpy."""
    import triton
    from triton.runtime.interpreter import InterpretedFunction

    if device == "cpu":
        return InterpretedFunction(kernel)
    return triton.jit(kernel)


def launch(
    kernel: Callable[..., None], grid: tuple[int, ...], first: Tensor, *others: object, **constants: object
) -> None:
    """Runs a kernel on the device of its first argument, every operation rounded on its own."""
    run = compiled(kernel, first.device.type)[grid]
    if first.device.type == "cpu":
        run(first, *others, **constants)
    else:
        with torch.cuda.device(first.device):
            run(first, *others, **constants, enable_fp_fusion=False)
