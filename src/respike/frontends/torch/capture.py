"""Capturing a PyTorch model: `torch.export`, with every way in which it can fail said in the user's words."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor
from torch.export import Dim, ExportedProgram, ShapesCollection, export
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.utils._pytree import tree_leaves

from respike.errors import CannotRun, InvalidData, InvalidNetwork
from respike.frontends.examples import Example, check_examples
from respike.frontends.torch.functional import functional
from respike.frontends.torch.interpret import graph_values
from respike.frontends.torch.modules import check_types, unwrapped
from respike.frontends.torch.translate import is_known, translate
from respike.frontends.verify import close
from respike.ir import Network

_CHATTER = (
    ".*LeafSpec.* is deprecated",
    "Using padding='same' with even kernel",
    "The tensor attributes? .* assigned during export",
)


@dataclass(frozen=True, eq=False)
class Captured:
    """A network beside the original it was read from.

    Args:
        network: what was read.
        program: the functional graph.
        sources: for each node of `network`, the name of the graph node with the same value.
        examples: the inputs with which the original was captured.
        model: the caller's module, where there is one.
    """

    network: Network
    program: ExportedProgram
    sources: dict[str, str]
    examples: tuple[Tensor, ...]
    model: nn.Module | None = None

    def outputs(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the module gives for a batch of inputs, or the program where there is no module."""
        if self.model is not None:
            return run_model(self.model, inputs)
        names = [spec.arg.name for spec in self.program.graph_signature.output_specs]
        values = graph_values(self.program, inputs)
        return tuple(values[name] for name in names if name in values)

    def values(self, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """What the program computes on the way, by the names of the network's nodes."""
        values = graph_values(self.program, inputs)
        return {name: values[source] for name, source in self.sources.items()}


def torch_export(model: nn.Module | ExportedProgram, example: Example | None = None) -> Network:
    """Read a PyTorch model, or a program that `torch.export` gave, into a `Network`.

    `example` is a batch `[batch, ...]` of inputs (a tuple if there are several); its values do not matter. A program
    brings its own. The model is not changed. Node names are module paths (`layer1.0.conv2`); functions called in a
    module are named after it (`layer1.0.relu`), the second one `layer1.0.relu@2`.

    Raises `UnsupportedOperator` listing every operator that cannot be converted, `InvalidNetwork` for a model in
    training mode, with weights that are not finite, or that cannot be captured, and `InvalidData` for a bad example.
    """
    return capture(model, example).network


def capture(model: nn.Module | ExportedProgram, example: Example | None = None) -> Captured:
    """Like `torch_export`, keeping what is needed to check the network against the original."""
    if isinstance(model, ExportedProgram):
        return _capture_program(model, example)
    module = unwrapped(model)
    if example is None:
        raise InvalidData("an example is needed to read a module: a batch of inputs, as load(model, images[:2])")
    examples = check_examples(example)
    check_types(module, examples)
    pair = tuple(_two_samples(x) for x in examples)
    try:
        program = _export(module, pair)
    except InvalidNetwork:
        run_model(module, pair)  # if the model itself cannot run on the example, that is the better message
        raise
    network, sources = translate(program, type(module).__name__)
    if _has_fixed_batch(program):
        _check_other_batches(module, pair)
    return Captured(network, program, sources, examples, module)


def run_model(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The outputs of the original, flattened; `CannotRun` where it cannot run on the inputs."""
    try:
        with quiet(), torch.no_grad():
            result = model(*(x.clone() for x in inputs))
    except (Exception, SystemExit) as error:  # whatever the model's Python raises
        shapes = " and ".join(str(list(x.shape)) for x in inputs)
        reason = f"{type(error).__name__}: {_first_line(error)}"
        where = _failing(model, inputs)
        raise CannotRun(
            f"the network cannot run on a batch of shape {shapes} (batch first): {where}{reason}"
        ) from error
    leaves = tuple(leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
    if any(isinstance(leaf, FakeTensor) for leaf in leaves):  # something that torch.export computed is still there
        raise InvalidNetwork("forward() keeps what it computes for the next call; a network must not keep state")
    return leaves


def _has_fixed_batch(program: ExportedProgram) -> bool:
    """Whether torch.export took the size of a batch for a fixed number, as for `len(x)`."""
    inputs = set(program.graph_signature.user_inputs)
    given = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in inputs]
    return any(isinstance(value, Tensor) and is_concrete_int(value.shape[0]) for value in given)


def _check_other_batches(model: nn.Module, pair: tuple[Tensor, ...]) -> None:
    """Raise `InvalidNetwork` where the outputs for two samples change when a third one is in their batch."""
    try:
        more = run_model(model, tuple(torch.cat([x, x[:1]]) for x in pair))
    except CannotRun:  # it takes batches of this very size
        return
    for alone, together in zip(run_model(model, pair), more, strict=True):
        if len(together) == len(pair[0]) + 1 and not close(together[:-1], alone):
            raise InvalidNetwork(
                "the outputs for a sample change with the number of samples in its batch (len(x), x.shape[0] or a "
                "statistic over the batch as a number in forward()); write the number out"
            )


def _failing(model: nn.Module, inputs: tuple[Tensor, ...]) -> str:
    """The layer in which the network fails on the inputs, to stand in front of the reason; empty where it is none."""
    names = {module: name for name, module in model.named_modules() if name}
    under_way: list[nn.Module] = []
    hooks = []
    try:
        for module in names:
            hooks.append(module.register_forward_pre_hook(lambda module, _: under_way.append(module)))
            hooks.append(module.register_forward_hook(lambda *_: under_way.pop() and None))
        with quiet(), torch.no_grad():
            model(*(x.clone() for x in inputs))
    except (Exception, SystemExit):  # the one that is being told, or one of scripted modules, which take no hooks
        return f"layer {names[under_way[-1]]!r} ({type(under_way[-1]).__name__}), " if under_way else ""
    finally:
        for hook in hooks:
            hook.remove()
    return ""


def _capture_program(program: ExportedProgram, example: Example | None) -> Captured:
    stored = program.example_inputs[0] if program.example_inputs else ()
    examples = check_examples(tuple(stored) if example is None else example)
    graph = functional(program, is_known, quiet)
    network, sources = translate(graph, "torch.export")
    return Captured(network, graph, sources, examples)


def _two_samples(x: Tensor) -> Tensor:
    # torch.export takes a batch of one for a fixed size, and two samples show as much as many.
    return x.detach()[:2].clone() if x.shape[0] > 1 else x.detach().repeat(2, *(1,) * (x.ndim - 1))


def _export(model: nn.Module, examples: tuple[Tensor, ...]) -> ExportedProgram:
    shapes = ShapesCollection()  # type: ignore[no-untyped-call]
    for x in examples:
        shapes[x] = {0: Dim.AUTO, **dict.fromkeys(range(1, x.ndim), Dim.STATIC)}
    try:
        # torch.export prints the graph where it fails.
        with quiet(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), torch.no_grad():
            program = export(model, examples, dynamic_shapes=shapes, strict=False)  # type: ignore[arg-type]
    except (Exception, SystemExit) as error:  # torch.export raises whatever the model's Python raises
        raise InvalidNetwork(f"torch.export cannot capture the network: {_reason(error)}") from None
    return functional(program, is_known, quiet)


def _reason(error: BaseException) -> str:
    if "data-dependent" in str(error).lower():
        return (
            "forward() branches on values of the data (an if or a loop over a tensor); every input must take one path"
        )
    return f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what torch says about its own workings; what matters is raised."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            for message in _CHATTER:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logging.disable(disabled)
