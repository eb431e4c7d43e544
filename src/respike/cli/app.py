"""The commands put together, and how a run ends: an exit code, and one line for each error."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from respike import __version__
from respike.cli import completing, console, interrupt_behind
from respike.cli.helping import HelpedCommand, HelpedGroup
from respike.cli.importing import is_own
from respike.cli.wording import told
from respike.errors import RespikeError

_METHOD_FLAGS = ("--method", "-m", "--methods")

FAILED = 2
"""The exit code of bad input."""


@dataclass(frozen=True)
class Command:
    """A command whose module is imported when it is called: help and version need neither torch nor any network.

    Args:
        place: the module in `respike.cli`, and in it the function of the command or the application of its subcommands.
        summary: the first sentence of its help.
        examples: command lines that end its help.
        converts: whether it takes the options of the methods.
        passes_on: whether it passes options that it does not know on to another command.
    """

    place: str
    summary: str
    examples: tuple[str, ...] = ()
    converts: bool = False
    passes_on: bool = False

    def brief(self, name: str) -> TyperCommand:
        """Enough of the command to list it."""
        return TyperCommand(name, help=self.summary)

    def whole(self, name: str, words: Sequence[str] = ()) -> Any:
        """The command itself, from its module; `words` may name methods of the user's own, whose options it has too."""
        module, attribute = self.place.split(":")
        found = getattr(import_module(f"respike.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        from respike.cli import sources

        found = sources.with_source(found)
        if self.converts:
            from respike.cli import conversions, options

            own = [conversions.method(method) for method in _methods_named(words) if is_own(method)]
            found = options.with_method_options(found, own)
        lines = ("Examples:", *(f"  [bold]{line}[/bold]" for line in self.examples))
        app = typer.Typer(add_completion=False)
        unknown = {"allow_extra_args": self.passes_on, "ignore_unknown_options": self.passes_on}
        epilog = "\n".join(lines) if self.examples else None
        app.command(name, cls=HelpedCommand, epilog=epilog, context_settings=unknown)(found)
        return typer.main.get_command(app)


COMMANDS = {
    "demo": Command(
        "demo:demo",
        "Convert the three MNIST networks that come with respike, and show what that costs and gains.",
        ("respike demo", "respike demo --limit 1000 --out /tmp/demo"),
    ),
    "networks": Command("listing:networks", "List the networks of the zoo, with their architectures and accuracies."),
    "methods": Command(
        "listing:list_methods",
        "List the conversion methods; with NAME, describe one method, its options and its paper.",
        ("respike methods", "respike methods fit"),
    ),
    "refinements": Command(
        "listing:refinements",
        "List the refinements of plans; with NAME, describe one: its equation, options, cost and paper.",
        ("respike refinements correct_biases", "respike evaluate mnist-cnn --method max_norm --refine signed"),
    ),
    "evaluate": Command(
        "evaluating:evaluate",
        "Convert a network, run it on test images, and show accuracy, spikes, operations and energy.",
        (
            "respike evaluate mnist-cnn --method fit --input-steps 12 --drain-steps 25",
            "respike evaluate mnist-cnn --method data_norm --steps 64 --limit 1000 --json out.json --plot out.png",
            "respike evaluate mnist-cnn --method data_norm --coding bernoulli --seed 7",
            "respike evaluate mymodels:resnet --method max_norm --dataset cifar10",
            "respike evaluate mymodels:resnet --method max_norm --dataset flowers/ --size 256/224 --calibration 500",
            "respike evaluate net.respike",
        ),
        converts=True,
    ),
    "compare": Command(
        "evaluating:compare",
        "Convert a network by several methods and compare the results in one table.",
        ("respike compare mnist-cnn --methods fit,data_norm,max_norm --steps 64 --plot compare.svg",),
        converts=True,
    ),
    "report": Command(
        "reporting:report",
        "Convert a network by several methods, measure them, and write an HTML report.",
        ("respike report mnist-cnn --methods fit,few_spikes,ecc --limit 1000 --out report.html",),
        converts=True,
    ),
    "diagnose": Command(
        "diagnosing:diagnose",
        "Convert a network, find the layer that loses accuracy, and suggest what to change.",
        (
            "respike diagnose mnist-cnn --method percentile_norm --percentile 50",
            "respike diagnose cifar10-resnet8 --method max_norm --steps 16 --limit 128",
            "respike diagnose net.respike --allowed-loss 0.2 --json diagnosis.json",
        ),
        converts=True,
    ),
    "convert": Command(
        "converting:convert",
        "Convert a network and write it to a file, for respike (safetensors, no pickle) or for other tools.",
        ("respike convert mnist-cnn --method max_norm --steps 32 --out net.respike",),
        converts=True,
    ),
    "check": Command(
        "checking:check",
        "Check whether a converted network fits a chip, by the chip's published limits.",
        (
            "respike check mnist-cnn --method max_norm --target loihi2",
            "respike check net.respike --target speck",
        ),
        converts=True,
    ),
    "inspect": Command(
        "inspecting:inspect",
        "Show a network: layers, shapes, weights, activation ranges, and which layers will spike.",
        ("respike inspect mnist-cnn", "respike inspect model.pt2 --dataset cifar10"),
    ),
    "train": Command(
        "training:train",
        "Train a network of the zoo by its recipe. The same seed gives the same weights.",
        ("respike train fashion-cnn", "respike train mnist-cnn --epochs 2 --seed 3"),
    ),
    "recommend": Command(
        "recommending:recommend",
        "Find the cheapest conversion that loses at most as much accuracy as you allow, in minutes.",
        (
            "respike recommend mnist-cnn",
            "respike recommend cifar10-resnet20 --lose 0.5 --prefer latency",
            "respike recommend mnist-cnn --binary --json recommended.json",
            "respike recommend mnist-cnn --target sinabs",
        ),
    ),
    "tune": Command(
        "tuning:tune",
        "Search methods and options for the best trade-offs (the Pareto front).",
        (
            "respike tune mnist-cnn --trials 60 --longest 64 --plot front.png",
            "respike convert mnist-cnn --from-study tuning.db --out net.respike",
        ),
    ),
    "run": Command(
        "experiment:run",
        "Run the experiment that a file describes: a command with all its options.",
        (
            "respike run experiment.toml",
            "respike run experiment.toml --limit 100 --json few.json",
            "respike run report.toml --out again.html",
        ),
        passes_on=True,
    ),
    "data": Command("datasets:app", "List and download data sets."),
}
"""All commands, in the order of the help."""


class _Commands(HelpedGroup):
    """Lists the commands briefly, and imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands.update({name: command.brief(name) for name, command in COMMANDS.items()})

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, words = super().resolve_command(ctx, args)
        assert name is not None  # without a command of that name there was an error
        if ctx.resilient_parsing:  # a shell completes a line
            return name, completing.Completed(name, _words()[name]), words
        return name, COMMANDS[name].whole(name, words), words


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    help="Convert a trained network to a spiking one, without training, and measure what that costs and gains.",
    epilog="First steps: [bold]respike demo[/bold], then [bold]respike evaluate mnist-cnn --method fit[/bold]",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.OUT.print(f"respike {__version__}")
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Options that come before any command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (that of the process unless given) and returns the exit code; Ctrl-C passes through."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(app)
    if completing.asked():
        command.main(prog_name="respike")
    if completing.installing(words):
        _words()  # made now, it is there when it is needed
    try:
        with console.warnings_in_one_line(), command.make_context("respike", list(words)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except (RespikeError, OSError) as wrong:
        if interrupt_behind(wrong) is not None:
            raise
        console.error(told(wrong))
        return FAILED
    except typer.TyperException as misuse:
        console.error(_explained(misuse, words))
        return FAILED
    return 0


def _words() -> dict[str, completing.Words]:
    """What each command takes, for shells."""
    return completing.table(lambda: {name: command.whole(name) for name, command in COMMANDS.items()})


def _methods_named(words: Sequence[str]) -> list[str]:
    """The methods that a command line names."""
    after = [value for word, value in pairwise(words) if word in _METHOD_FLAGS]
    joined = [word.partition("=")[2] for word in words if word.partition("=")[0] in _METHOD_FLAGS and "=" in word]
    # What stands with a method, `name:option=X`, is no part of its name.
    return [re.sub(r":[\w-]+=.*", "", name) for name in ",".join([*after, *joined]).split(",")]


def _explained(misuse: typer.TyperException, words: Sequence[str]) -> str:
    """What is wrong with a command line, in one line; with the options of the method, if it is an option."""
    unknown, close = getattr(misuse, "option_name", None), getattr(misuse, "possibilities", None)
    if unknown is None or close is None:
        return " ".join(misuse.format_message().split())
    if words[:1] == [unknown] or (words and words[0].startswith(f"{unknown}=")):
        return f"there is no option {unknown} in front of the command; if it is one of a command, put it behind: " + (
            f"respike COMMAND {unknown}"
        )
    from respike import methods
    from respike.cli import options

    known = {method.name: options.listed(method) for method in methods.ALL}
    lists = [known[name.replace("-", "_")] for name in _methods_named(words) if name.replace("-", "_") in known]
    listed = f" ({'; '.join(lists)})" if lists else ""
    return f"there is no option {unknown}{options.near(unknown, close)}{listed}"
