"""The commands put together, and how a run ends: an exit code, and one line for each error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any

import typer

from respike import __version__, methods
from respike.cli import choices, console, datasets, options
from respike.cli.converting import convert
from respike.cli.demo import demo
from respike.cli.diagnosing import diagnose
from respike.cli.evaluating import compare, evaluate
from respike.cli.importing import is_own
from respike.cli.inspecting import inspect
from respike.cli.listing import list_methods, networks
from respike.cli.reporting import report
from respike.cli.running import INTERRUPTED
from respike.cli.training import train
from respike.cli.tuning import tune
from respike.errors import RespikeError
from respike.methods import Method

_METHOD_FLAGS = ("--method", "-m", "--methods")

FAILED = 2
"""The exit code of bad input."""


def _show_version(wanted: bool) -> None:
    if wanted:
        console.OUT.print(f"respike {__version__}")
        raise typer.Exit


def _everywhere(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """What goes before any command."""


def commands(own: Sequence[Method[Any]] = ()) -> typer.Typer:
    """All commands. Those that convert have the options of respike's methods, and of the user's own."""
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Turns a trained network into a spiking one, without training, and tells what that costs and gains.",
        epilog="First steps: [bold]respike demo[/bold], then [bold]respike evaluate mnist-cnn --method fit[/bold]",
    )
    app.callback()(_everywhere)
    for command, examples in _PLAIN.items():
        app.command(_name(command), epilog=_examples(examples))(command)
    for command, examples in _CONVERTING.items():
        app.command(_name(command), epilog=_examples(examples))(options.with_method_options(command, own))
    app.add_typer(datasets.app, name="data")
    return app


def _name(command: Callable[..., None]) -> str:
    return "methods" if command is list_methods else command.__name__


def _examples(lines: Sequence[str]) -> str | None:
    """An epilog; blank lines keep the examples apart from one another."""
    return "\n\n".join(("Examples:", *(f"  [bold]{line}[/bold]" for line in lines))) if lines else None


_PLAIN: Mapping[Callable[..., None], Sequence[str]] = {
    demo: ("respike demo", "respike demo --limit 1000 --out /tmp/demo"),
    networks: (),
    list_methods: ("respike methods", "respike methods fit"),
    inspect: ("respike inspect mnist-cnn", "respike inspect model.pt2 --dataset cifar10"),
    train: ("respike train fashion-cnn", "respike train mnist-cnn --epochs 2 --seed 3"),
    tune: (
        "respike tune mnist-cnn --trials 60 --longest 64 --plot front.png",
        "respike convert mnist-cnn --from-study tuning.db --out net.respike",
    ),
}
"""Commands without options of methods, with examples of their use."""
_CONVERTING: Mapping[Callable[..., None], Sequence[str]] = {
    evaluate: (
        "respike evaluate mnist-cnn --method fit --input-steps 12 --drain-steps 25",
        "respike evaluate mnist-cnn --method data_norm --steps 64 --limit 1000 --json out.json --plot out.png",
        "respike evaluate mnist-cnn --method data_norm --coding bernoulli --seed 7",
        "respike evaluate mymodels:resnet --method max_norm --dataset cifar10",
        "respike evaluate net.respike",
    ),
    compare: ("respike compare mnist-cnn --methods fit,data_norm,max_norm --steps 64 --plot compare.svg",),
    report: ("respike report mnist-cnn --methods fit,few_spikes,ecc --limit 1000 --out report.html",),
    diagnose: (
        "respike diagnose mnist-cnn --method percentile_norm --percentile 50",
        "respike diagnose cifar10-resnet8 --method max_norm --steps 16 --limit 128",
        "respike diagnose net.respike --allowed-loss 0.2 --json diagnosis.json",
    ),
    convert: ("respike convert mnist-cnn --method max_norm --steps 32 --out net.respike",),
}
"""Commands that convert a network."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (that of the process unless given) and returns the exit code: 0, 2 or 130."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        own = [choices.method(name) for name in _methods_named(words) if is_own(name)]
        command = typer.main.get_command(commands(own))
        with console.warnings_in_one_line(), command.make_context("respike", words) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except (RespikeError, OSError) as wrong:
        console.error(str(wrong))
        return FAILED
    except typer.TyperException as misuse:
        console.error(_explained(misuse, words))
        return FAILED
    except KeyboardInterrupt as stop:
        console.note("\n".join(["interrupted", *getattr(stop, "__notes__", [])]))
        return INTERRUPTED
    return 0


def _methods_named(words: Sequence[str]) -> list[str]:
    """The methods that a command line names."""
    after = [value for word, value in pairwise(words) if word in _METHOD_FLAGS]
    joined = [word.partition("=")[2] for word in words if word.partition("=")[0] in _METHOD_FLAGS and "=" in word]
    return ",".join([*after, *joined]).split(",")


def _explained(misuse: typer.TyperException, words: Sequence[str]) -> str:
    """What is wrong with a command line, in one line; with the options of the method, if it is an option."""
    unknown, close = getattr(misuse, "option_name", None), getattr(misuse, "possibilities", None)
    if unknown is None or close is None:
        return " ".join(misuse.format_message().split())
    known = {method.name: options.listed(method) for method in methods.ALL}
    lists = [known[name.replace("-", "_")] for name in _methods_named(words) if name.replace("-", "_") in known]
    listed = f" ({'; '.join(lists)})" if lists else ""
    return f"there is no option {unknown}{options.near(unknown, close)}{listed}"
