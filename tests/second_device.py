"""A second device for tests, on the CPU: operations that meet tensors of both devices fail, as they do on a GPU.

    with second_device() as device:
        network = network.to(device)

Tensors there wrap ones on the CPU, which every operation really runs on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE = torch.device("meta")
"""What tensors there say of themselves: a device that every build of torch knows."""


class Elsewhere(Tensor):
    """A tensor on the second device."""

    held: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Elsewhere:
        """Wraps a tensor on the CPU."""
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
            requires_grad=inner.requires_grad,
        )
        made.held = inner
        return made

    def data_ptr(self) -> int:
        """Where the tensor on the CPU is."""
        return self.held.data_ptr()

    def item(self) -> Any:
        """The number, which torch does not look for on this device."""
        return self.held.item()

    def tolist(self) -> Any:
        """The numbers."""
        return self.held.tolist()

    def __bool__(self) -> bool:
        return bool(self.held)

    def __int__(self) -> int:
        return int(self.held)

    def __float__(self) -> float:
        return float(self.held)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Elsewhere({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """Every operation on such tensors."""
        return dispatched(func, args, kwargs or {})


def dispatched(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Runs an operation where its tensors are, or where it is told to put its result."""
    tensors = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Tensor)]
    there = [one for one in tensors if isinstance(one, Elsewhere)]
    wanted = kwargs.get("device")
    copies = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default, torch.ops.aten._copy_from.default)
    if there and not copies:
        indexing = func in (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default)
        strangers = [one for one in tensors if not isinstance(one, Elsewhere) and one.ndim > 0]
        if strangers and not indexing:
            raise RuntimeError(f"Expected all tensors to be on the same device, but found {DEVICE} and cpu: {func}")
    plain = tree_map_only(Elsewhere, lambda one: one.held, (args, dict(kwargs)))
    moved = bool(there) if wanted is None else torch.device(wanted).type == DEVICE.type
    if wanted is not None:
        plain[1]["device"] = torch.device("cpu")
    result = func(*plain[0], **plain[1])
    known = {id(one.held if isinstance(one, Elsewhere) else one): one for one in tensors}  # what is written in place

    def placed(one: Tensor) -> Tensor:
        return known[id(one)] if id(one) in known else Elsewhere(one) if moved else one

    return tree_map_only(Tensor, placed, result)


class _Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatched(func, args, kwargs or {})


class _Literals(TorchFunctionMode):
    """Numbers that are put on the device without an operation that a dispatch mode sees."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if func is Tensor.new_tensor and isinstance(args[0], Elsewhere):
            return Elsewhere(args[0].held.new_tensor(*args[1:], **given))
        there = func in (torch.as_tensor, torch.tensor) and torch.device(given.get("device") or "cpu") == DEVICE
        if not there or isinstance(args[0], Tensor):
            return func(*args, **given)
        return Elsewhere(func(*args, **{**given, "device": "cpu"}))


@contextmanager
def second_device() -> Iterator[torch.device]:
    """While it lasts, tensors can be on the device that it gives."""
    with _Literals(), _Mode():  # type: ignore[no-untyped-call]
        yield DEVICE
