"""What is worked out once for a network and a plan, and kept as long as the plan lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from respike.ir import Network
from respike.plan import Plan

T = TypeVar("T")


class Memo:
    """Composed and packed weights, by the nodes that they come from."""

    def __init__(self, network: Network) -> None:
        self.network = weakref.ref(network)
        self._known: dict[object, Any] = {}

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What `make` gave when it was first asked for."""
        if key not in self._known:
            self._known[key] = make()
        known: T = self._known[key]
        return known


_memos: weakref.WeakKeyDictionary[Plan, Memo] = weakref.WeakKeyDictionary()


def memo_of(network: Network, plan: Plan) -> Memo:
    """The memo of a plan for a network."""
    memo = _memos.get(plan)
    if memo is None or memo.network() is not network:
        memo = _memos[plan] = Memo(network)
    return memo
