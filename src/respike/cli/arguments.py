"""Arguments and flags that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from respike import metrics
from respike.cli.choices import CODINGS
from respike.engines import ALL as ENGINES

_INPUT = "Input coding"

NetworkName: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help="A network of the zoo (respike networks), a file (.pt2, .onnx, .keras, .h5, or NAME.safetensors with "
        "weights of the zoo), or module:factory, a function that returns the network.",
        show_default=False,
    ),
]
METHOD = typer.Option(
    "--method",
    "-m",
    metavar="NAME",
    help="The conversion method (respike methods lists them), or a method of your own as module:function.",
    show_default=False,
)
MethodNames: TypeAlias = Annotated[
    str,
    typer.Option(
        "--methods",
        "-m",
        metavar="A,B:OPTION=X,C",
        help="The methods, separated by commas. :OPTION=X is an option for this method alone.",
    ),
]
Refine: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--refine",
        metavar="A,B=X,C:OPTION=Y",
        help="Refine the plan, one refinement after the other (respike refinements). =X sets the first option of a "
        "refinement, :OPTION=Y another one. A refinement of your own is module:function.",
        show_default=False,
    ),
]
MethodName: TypeAlias = Annotated[str | None, METHOD]
Limit: TypeAlias = Annotated[
    int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="Use at most N images.")
]
MetricName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="|".join(metrics.named()),
        help="Compare outputs that are no classes by this metric (mean_iou:ignore=255 leaves out what is marked 255), "
        "or by one of your own as module:function. Labels of your own data are then its targets; without them, "
        "the network's own outputs are.",
        show_default=False,
    ),
]
EngineName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="|".join(ENGINES),
        help="The engine. Default: the fastest. All give the same spikes, except count, which only counts them.",
    ),
]
CodingName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--coding",
        metavar="|".join(CODINGS),
        rich_help_panel=_INPUT,
        help="How an image becomes input: as currents, random or regular spikes. Default: chosen by the method; "
        "for sequences over time frames, which is input as it is given.",
    ),
]
Rate: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--rate",
        metavar="X",
        rich_help_panel=_INPUT,
        help="Spikes per second (1000 steps) for a white pixel (bernoulli only).",
    ),
]
Seed: TypeAlias = Annotated[
    int | None,
    typer.Option("--seed", min=0, metavar="N", rich_help_panel=_INPUT, help="Seed of the random spikes (bernoulli)."),
]
JsonFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write all that was measured as JSON (- is standard output)."),
]
PlotFile: TypeAlias = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Draw accuracy over time (.png or .svg).")
]
Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
