"""What is worked out once for a network and a plan, and kept as long as the plan lives and no number of it changes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, TypeVar

from torch import Tensor

from respike.ir import Network, tensors
from respike.plan import Plan, SpikeCount

T = TypeVar("T")


class Once:
    """What has been worked out, by its key: composed and packed weights, by the nodes that they come from."""

    def __init__(self) -> None:
        self._known: dict[object, Any] = {}
        self._making = threading.RLock()

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What `make` gave when it was first asked for; threads wait for the one that makes it."""
        if key not in self._known:
            with self._making:
                if key not in self._known:
                    self._known[key] = make()
        known: T = self._known[key]
        return known

    def kept(self, key: object) -> object:
        """What is kept under a key; None where nothing is."""
        return self._known.get(key)

    def drop(self, key: object) -> None:
        """Forgets what is kept under a key."""
        self._known.pop(key, None)

    def keep(self, key: object, value: object) -> None:
        """Puts something in the place of what was kept under a key."""
        self._known[key] = value


class Memo(Once):
    """What has been worked out for a network and a plan, as long as no number of theirs changes."""

    def __init__(self, network: Network, plan: Plan) -> None:
        super().__init__()
        self._network = weakref.ref(network)
        counted = list(_numbers(network, plan))
        self._counted = not any(tensor.is_inference() for tensor in counted)
        self._tensors = [weakref.ref(tensor) for tensor in counted]
        self._versions = self._count_changes() if self._counted else []

    def holds_for(self, network: Network) -> bool:
        """Whether it was made for this network, and no tensor of network or plan has changed in place since.

        PyTorch counts the changes of a tensor, except through `.data` or NumPy. It does not count those of inference
        tensors, for which nothing is kept.
        """
        return self._counted and self._network() is network and self._versions == self._count_changes()

    def _count_changes(self) -> list[int]:
        alive = [reference() for reference in self._tensors]
        return [-1 if tensor is None else tensor._version for tensor in alive]


_memos: weakref.WeakKeyDictionary[Plan, Memo] = weakref.WeakKeyDictionary()


def memo_of(network: Network, plan: Plan) -> Memo:
    """The memo of a plan for a network."""
    memo = _memos.get(plan)
    if memo is None or not memo.holds_for(network):
        memo = _memos[plan] = Memo(network, plan)
    return memo


def _numbers(network: Network, plan: Plan) -> Iterator[Tensor]:
    for node in network.nodes:
        yield from tensors(node)
    yield from plan.weights.values()
    sites = list(plan.sites.values())
    if isinstance(plan.readout, SpikeCount):
        sites.append(plan.readout.site)
    for site in sites:
        numbers = (getattr(site, field.name) for field in fields(site))
        yield from (number for number in numbers if isinstance(number, Tensor))
