"""A run repeated for other images of the same number, without the walk, which in small runs costs most.

The second run for a plan, a probe and a number of images is **watched**: each operation on tensors (torch's own, as
`TorchDispatchMode` shows them, and the kernels) is written down with its arguments. What depends neither on the images
nor on memory that is written to is a constant of the plan. The rest is a `Script`, which the next runs repeat in order.

Where an operation answers with something that is no tensor, so that what is done next may depend on it, the script
repeats the question, and gives up where the answer is another one: the walk then runs as if there were no script.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import count
from threading import Lock
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined]  # public, but not listed

from respike.engines.event import _native
from respike.engines.event.calls import threads, watcher
from respike.engines.event.memo import Memo
from respike.record import Probe, Recording

IMAGES = 0
"""The slot of the images."""
LONGEST_SCRIPT = 1000
"""Operations of a script at most."""
MOST_ROOM = 2**26
"""Bytes of memory that a script keeps from run to run at most: a tile has so few images that they do. An image that
takes more is not repeated: the walk costs little."""

MOST_SCRIPTS = 8
"""Scripts of a plan at most, for batches and probes of different kinds: the oldest goes."""

_VIEW = torch.ops.aten.as_strided.default
_CLONE = torch.ops.aten.clone.default
_LIKE = torch.ops.aten.new_empty.default
_ROOMS = (torch.ops.aten.empty.memory_format, _LIKE)
_QUICK: dict[Callable[..., Any], Callable[..., Any]] = {
    _VIEW: Tensor.as_strided,
    _CLONE: Tensor.clone,
    _LIKE: Tensor.new_empty,
    torch.ops.aten.cumsum.default: Tensor.cumsum,
    torch.ops.aten.empty.memory_format: torch.empty,
}
"""Functions that call the same operators in a fraction of the time."""


def known(images: Tensor, memo: Memo, probe: Probe, kind: object) -> Recording | None:
    """The recording of a batch by a script, where there is one for such batches.

    Args:
        images: as they are given, unchecked.
        memo: of the plan.
        probe: what is kept.
        kind: as `repeated` was told.
    """
    if type(images) is not Tensor or images.layout is not torch.strided or torch.is_grad_enabled():
        return None
    script = memo.kept(_key(images, probe, kind))
    return script(images) if isinstance(script, Script) else None


def repeated(run: Callable[[Tensor], Recording], images: Tensor, memo: Memo, probe: Probe, kind: object) -> Recording:
    """What `run` gives for the images, repeated by a script where there is one.

    Args:
        run: the walk over one tile of images.
        images: checked; a run on them takes less memory than `MOST_ROOM`.
        memo: of the plan, whose coding is a constant current and whose neurons all have kernels.
        probe: what is kept.
        kind: on what else the operations of a run depend.
    """
    if torch.is_grad_enabled() or any(map(Tensor.is_inference, probe.fan_out.values())):
        return run(images)
    key = _key(images, probe, kind)
    script = memo.once(key, lambda: _Pending(0))
    if isinstance(script, Script):
        record = script(images)
        return run(images) if record is None else record
    if script.runs == 0:
        memo.keep(key, _Pending(1))  # the first run makes what is made once
        return run(images)
    if script.runs > 1:
        return run(images)
    record, found = _watched(run, images, tuple(probe.fan_out.values()))
    memo.keep(key, found or _Pending(2))
    if found:
        made = memo.once("scripts", list[object])
        made.append(key)
        if len(made) > MOST_SCRIPTS:
            memo.drop(made.pop(0))
    return record


@dataclass(frozen=True)
class _Pending:
    """No script yet: before the first run, before the second, or ever (2)."""

    runs: int


def _key(images: Tensor, probe: Probe, kind: object) -> tuple[object, ...]:
    """What runs that are alike have in common. The tensors of the probe are kept by the script that reads them."""
    fan_out = tuple((name, id(tensor), tensor._version) for name, tensor in probe.fan_out.items())
    asked = (probe.spike_counts, tuple(probe.spikes), tuple(probe.potentials), fan_out)
    return ("script", images.shape, images.stride(), images.dtype, images.device, threads(), kind, *asked)


@dataclass(frozen=True, slots=True)
class _Slot:
    """The place of a value that is another one in each run."""

    number: int


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation of a script.

    Args:
        function: an operator of torch, or a kernel.
        arguments: constants and slots.
        options: the same, by name.
        results: the slots of what it gives; none where that is no tensor.
        answer: what it must give where that is no tensor.
        kernel: whether it takes tensors as they are lent.
        done: slots that nobody reads any more.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    results: tuple[int, ...]
    answer: Any
    kernel: bool
    done: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Script:
    """The operations of a run that depend on its images.

    Args:
        place: where the images are copied to: operations read them there.
        operations: in their order.
        slots: how many there are.
        shared: slots of what readers of spikes share, made anew for each run.
        record: what was kept, tensors being slots or constants.
        asked: tensors whose identity names the script: they must live as long as it does.
    """

    place: Tensor
    operations: tuple[_Operation, ...]
    slots: int
    shared: tuple[int, ...]
    record: dict[str, Any]
    asked: tuple[Tensor, ...]
    _running: Lock = field(default_factory=Lock)

    @cached_property
    def _calls(self) -> tuple[_Call, ...]:
        return tuple(_Call(operation) for operation in self.operations)

    def __call__(self, images: Tensor) -> Recording | None:
        """The recording for other images.

        None where something depends on values that are too different, or values are not finite, or another thread is
        at it: they would share memory.
        """
        if not self._running.acquire(blocking=False):
            return None
        try:
            self.place.copy_(images)
            if not math.isfinite(self.place.sum()):  # or finite, and their sum too large
                return None
            values: list[Any] = [None] * self.slots
            for slot in self.shared:
                values[slot] = _native.Shared()
            for call in self._calls:
                if not call(values):
                    return None
            return Recording(**{name: _returned(kept, values) for name, kept in self.record.items()})
        finally:
            self._running.release()


class _Call:
    """An operation made ready: the places of its arguments that another run fills anew, and what fills them."""

    def __init__(self, operation: _Operation) -> None:
        self._operation = operation
        self._function = _QUICK.get(operation.function, operation.function)
        self._options = operation.options
        fill = _lending if operation.kernel else _filling
        self._arguments = list(operation.arguments)
        found = [(place, fill(argument)) for place, argument in enumerate(operation.arguments)]
        self._filled = [(place, filled) for place, filled in found if filled is not None]
        self._several = {name: filled for name, option in self._options.items() if (filled := _filling(option))}

    def __call__(self, values: list[Any]) -> bool:
        """Whether it answered as it did when it was watched."""
        operation, arguments = self._operation, self._arguments
        for place, filled in self._filled:
            arguments[place] = filled(values)
        if self._several:
            options = {**self._options, **{name: filled(values) for name, filled in self._several.items()}}
            result = self._function(*arguments, **options)
        else:
            result = self._function(*arguments, **self._options)
        match operation.results:
            case ():
                if result != operation.answer:
                    return False
            case (slot,):
                values[slot] = result
            case several:
                for slot, one in zip(several, result, strict=True):
                    values[slot] = one
        for slot in operation.done:
            values[slot] = None
        for place, _ in self._filled:
            arguments[place] = None
        return True


_Filled: TypeAlias = Callable[[list[Any]], Any]


def _filling(argument: Any) -> _Filled | None:
    """What gives an argument from the slots' values; None where it is always the same."""
    if isinstance(argument, _Slot):
        number = argument.number
        return lambda values: values[number]
    return _together(argument, _filling)


def _lending(argument: Any) -> _Filled | None:
    """The same for kernels, which take tensors as they are lent."""
    if isinstance(argument, Tensor):
        return lambda values: to_dlpack(argument)
    if isinstance(argument, _Slot):
        number = argument.number

        def lent(values: list[Any]) -> Any:
            value = values[number]
            return to_dlpack(value) if isinstance(value, Tensor) else value

        return lent
    return _together(argument, _lending)


def _together(argument: Any, fill: Callable[[Any], _Filled | None]) -> _Filled | None:
    """The same for a list or a tuple."""
    if not isinstance(argument, list | tuple):
        return None
    kind, found = type(argument), [fill(one) for one in argument]
    if not any(found):
        return None
    parts = [(lambda values, one=one: one) if each is None else each for one, each in zip(argument, found, strict=True)]
    return lambda values: kind([part(values) for part in parts])


def _lend(argument: Any) -> Any:
    """Arguments of a kernel, tensors as they are lent."""
    if isinstance(argument, list | tuple):
        return type(argument)([_lend(one) for one in argument])
    return to_dlpack(argument) if isinstance(argument, Tensor) else argument


def _returned(kept: Any, values: list[Any]) -> Any:
    if isinstance(kept, dict):
        return {name: _returned(one, values) for name, one in kept.items()}
    return values[kept.number] if isinstance(kept, _Slot) else kept.clone()


def _watched(
    run: Callable[[Tensor], Recording], images: Tensor, asked: tuple[Tensor, ...]
) -> tuple[Recording, Script | None]:
    with torch.inference_mode(mode=False):  # so that others may write to it
        place = torch.empty_like(images)
    place.copy_(images)
    watching = _Watching(place)
    token = watcher.set(watching)
    try:
        with watching:
            record = run(place)
    finally:
        watcher.reset(token)
    return record, watching.script(record, asked)


@dataclass(frozen=True, eq=False)
class _Seen:
    """An operation as it was seen: its arguments and what it gave, and which of its arguments it wrote to."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    result: Any
    written: tuple[Tensor, ...]
    kernel: bool


class _Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down what is done to tensors. All of them are kept alive, so that no two have the same place in memory."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.images = images
        self.seen: list[_Seen] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One of torch's operators."""
        options = kwargs or {}
        result = function(*args, **options)
        named = {argument.name: argument for argument in function._schema.arguments}
        given = {**dict(zip(named, args, strict=False)), **options}
        changed = [
            given[name] for name, one in named.items() if one.alias_info and one.alias_info.is_write and name in given
        ]
        self.seen.append(_Seen(function, tuple(args), options, result, tuple(_tensors(changed)), kernel=False))
        return result

    def kernel(self, function: Callable[..., Any], arguments: tuple[Any, ...], writes: tuple[int, ...]) -> Any:
        """One of ours."""
        with torch.utils._python_dispatch._disable_current_modes():
            result = function(*_lend(arguments))
        written = tuple(arguments[place] for place in writes if arguments[place] is not None)
        self.seen.append(_Seen(function, arguments, {}, result, written, kernel=True))
        return result

    def script(self, record: Recording, asked: tuple[Tensor, ...]) -> Script | None:
        """What is to be repeated; None where it cannot be."""
        changing = {_place(tensor) for seen in self.seen for tensor in seen.written}
        slots: dict[int, int] = {id(self.images): IMAGES}  # by the identity of a tensor, or of what readers share
        numbers, shared = count(1), []
        operations: list[tuple[_Operation, bool]] = []

        def slotted(value: Any) -> Any:
            if isinstance(value, _native.Shared) and id(value) not in slots:
                slots[id(value)] = next(numbers)
                shared.append(slots[id(value)])
            if id(value) in slots:
                return _Slot(slots[id(value)])
            if isinstance(value, list | tuple):
                return type(value)(slotted(one) for one in value)
            if isinstance(value, Tensor) and _place(value) in changing:
                raise _Unseen
            return value

        roots: dict[int, Tensor] = {_place(self.images): self.images}  # the first tensor in each place of memory

        def seen_as(tensor: Tensor) -> _Operation | None:
            """A tensor as a view of the first one in its place; None where it is that one."""
            root = roots.setdefault(_place(tensor), tensor)
            if root is tensor:
                return None
            at = [] if root.storage_offset() == tensor.storage_offset() else [tensor.storage_offset()]
            if not at and root.shape == tensor.shape and root.stride() == tensor.stride():
                slots[id(tensor)] = slots[id(root)]
            else:
                slots[id(tensor)] = next(numbers)
            view = (slotted(root), list(tensor.shape), list(tensor.stride()), *at)
            return _Operation(_VIEW, view, {}, (slots[id(tensor)],), None, False, ())

        try:
            for seen in self.seen:
                inputs = list(_tensors([seen.arguments, seen.options]))
                outputs = list(_tensors(seen.result))
                varies = any(id(tensor) in slots for tensor in inputs)
                if not (varies or seen.written or any(_place(tensor) in changing for tensor in outputs)):
                    continue
                arguments = tuple(slotted(argument) for argument in seen.arguments)
                options = {name: slotted(option) for name, option in seen.options.items()}
                new = [tensor for tensor in outputs if id(tensor) not in slots]
                changing.update(_place(tensor) for tensor in new)
                views = [] if seen.written else [view for tensor in new if (view := seen_as(tensor)) is not None]
                if views and len(views) == len(outputs):
                    operations.extend((view, False) for view in views if view.results != (view.arguments[0].number,))
                    continue
                for tensor in new:
                    slots.setdefault(id(tensor), next(numbers))
                results = tuple(slots[id(tensor)] for tensor in outputs)
                answer = None if outputs else seen.result
                operation = _Operation(seen.function, arguments, options, results, answer, seen.kernel, ())
                operations.append((operation, bool(seen.written)))
            found = {each.name: _fielded(getattr(record, each.name), slotted) for each in fields(record)}
        except _Unseen:
            return None
        kept = _kept(operations, found)
        if len(operations) > LONGEST_SCRIPT or IMAGES in kept:
            return None
        ready = _with_room(_freed(operations, found), kept, self.images)
        return Script(self.images, ready, next(numbers), tuple(shared), found, asked)


class _Unseen(Exception):
    """A tensor that varies came from where nobody looked."""


def _fielded(value: Any, slotted: Callable[[Any], Any]) -> Any:
    return {name: slotted(one) for name, one in value.items()} if isinstance(value, dict) else slotted(value)


def _freed(operations: Sequence[tuple[_Operation, bool]], record: dict[str, Any]) -> tuple[_Operation, ...]:
    """Those that are of use, with the slots that may be emptied behind each; a flag says which write to memory."""
    needed = set(_slots(list(record.values())))
    freed: list[_Operation] = []
    for operation, writes in reversed(operations):
        if operation.results and not writes and needed.isdisjoint(operation.results):
            continue
        touched = {*_slots([operation.arguments, operation.options]), *operation.results}
        freed.append(replace(operation, done=tuple(touched - needed)))
        needed |= touched
    return tuple(reversed(freed))


def _kept(operations: Sequence[tuple[_Operation, bool]], record: dict[str, Any]) -> set[int]:
    """The slots of what a recording holds, and of what that is a view of."""
    kept = set(_slots(list(record.values())))
    for operation, _ in reversed(operations):
        if operation.function is _VIEW and kept.intersection(operation.results):
            kept.update(_slots(operation.arguments))
    return kept


def _with_room(operations: Sequence[_Operation], kept: set[int], images: Tensor) -> tuple[_Operation, ...]:
    """Memory for what nobody keeps is made once, and with it the views of it; constants are copied into it."""
    constants: dict[int, Tensor] = {IMAGES: images}
    left: list[_Operation] = []
    room = MOST_ROOM
    for operation in operations:
        used = {slot: constants[slot] for slot in _slots([operation.arguments, operation.options]) if slot in constants}
        if used:
            arguments, options = (_put(part, used) for part in (operation.arguments, operation.options))
            operation = replace(operation, arguments=arguments, options=options)
        view = operation.function is _VIEW
        made = operation.function in _ROOMS or view or operation.function is _CLONE
        constant = next(_slots([operation.arguments, operation.options]), None) is None
        if made and constant and kept.isdisjoint(operation.results):
            with torch.inference_mode(mode=False):  # so that others may write to it
                tensor = operation.function(*operation.arguments, **operation.options)
            size = 0 if view else tensor.nbytes
            if size <= room:
                room -= size
                constants[operation.results[0]] = tensor
                if operation.function is not _CLONE:
                    continue
                copied = (tensor, operation.arguments[0])
                operation = replace(operation, function=Tensor.copy_, arguments=copied, options={})
        left.append(operation)
    return tuple(left)


def _put(value: Any, known: dict[int, Tensor]) -> Any:
    """Constants in the place of slots."""
    if isinstance(value, _Slot):
        return known.get(value.number, value)
    if isinstance(value, dict):
        return {name: _put(one, known) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_put(one, known) for one in value])
    return value


def _slots(value: Any) -> Iterator[int]:
    if isinstance(value, _Slot):
        yield value.number
    elif isinstance(value, dict):
        yield from _slots(list(value.values()))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _slots(one)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)


def _place(tensor: Tensor) -> int:
    """Where its memory is: the same for all views."""
    return int(tensor.untyped_storage()._cdata)
