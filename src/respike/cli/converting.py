"""`respike convert`: a converted network as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import Tensor

from respike import SpikingNetwork, methods
from respike.cli import choices, console, conversions, options
from respike.cli.arguments import CodingName, MethodName, NetworkName, Rate, Refine, Seed
from respike.cli.exporting import Export, Format, format_of
from respike.cli.importing import is_own
from respike.cli.networks import CONVERTED, Subject, find
from respike.cli.running import converted
from respike.cli.sources import Source
from respike.coding import Coding
from respike.errors import InvalidOption
from respike.export import targets
from respike.export.folder import GOLDEN_IMAGES
from respike.lower.fixed_point import BITS
from respike.methods import Method

_EXPORT, _STUDY = "Export to other tools", "Result of a search"


def convert(
    network: NetworkName,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help=f"The file to write ({CONVERTED}).")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FILE|FOLDER/",
            rich_help_panel=_EXPORT,
            help=f"Write NET{CONVERTED}, NET.nir (NIR), NET.pt2 (torch.export), or FOLDER/ (arrays and a manifest).",
        ),
    ] = None,
    method: MethodName = None,
    refine: Refine = None,
    from_study: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            rich_help_panel=_STUDY,
            help="Convert as a trial of respike tune did; replaces --method.",
        ),
    ] = None,
    study_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=_STUDY, help="The study's name. Default: that of the network."),
    ] = None,
    trial: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", rich_help_panel=_STUDY, help="The trial's number. Default: the most accurate trial."
        ),
    ] = None,
    coding: CodingName = None,
    rate: Rate = None,
    seed: Seed = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="|".join(known.name for known in targets.ALL),
            rich_help_panel=_EXPORT,
            help="The simulator that the NIR file is for. Default: a file that most simulators read.",
        ),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            "--bits",
            min=BITS[0],
            max=BITS[-1],
            metavar="N",
            rich_help_panel=_EXPORT,
            help="Write integers, with weights of N bits.",
        ),
    ] = None,
    membrane_bits: Annotated[
        int | None,
        typer.Option(
            "--membrane-bits",
            min=2,
            max=32,
            metavar="N",
            rich_help_panel=_EXPORT,
            help="With --bits: potentials of N bits, which saturate. Default: 24.",
        ),
    ] = None,
    allow_metadata: Annotated[
        bool,
        typer.Option(
            "--allow-metadata", rich_help_panel=_EXPORT, help="Write what NIR cannot express to its metadata."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", rich_help_panel=_EXPORT, help="Replace existing files.")] = False,
    *,
    source: Source,
    given: Mapping[str, str | bool],
) -> None:
    """Convert a network and write it to a file, for respike (safetensors, no pickle) or for other tools.

    Read a .respike file with `respike evaluate` or `respike.SpikingNetwork.load`. It gives the same spikes everywhere.
    """
    export = Export(*_place(out, to), target, bits, membrane_bits, allow_metadata, force)
    export.check()
    subject = find(network, source)
    chosen = choices.coding(coding, rate=rate, seed=seed)
    if from_study is not None:
        if (method and not is_own(method)) or chosen is not None or given or subject.plan is not None:
            raise InvalidOption(
                "--from-study already determines the conversion: leave out the method, its options and the coding"
            )
        own = [conversions.method(method)] if method is not None else []
        among = [one.refined(*conversions.steps(refine)) for one in (*methods.ALL, *own)]
        spiking = _tuned(subject, from_study, study_name or network, trial, among)
    elif trial is not None or study_name is not None:
        raise InvalidOption("--trial and --study-name need --from-study")
    else:
        spiking = _spiking(subject, method, refine, chosen, given)
    export.write(spiking, _golden_images(subject) if export.format is Format.FOLDER else None)
    plan = spiking.plan
    console.OUT.print(
        f"wrote {out or to}: {subject.network.origin} by {plan.title}, {plan.schedule.describe()}", soft_wrap=True
    )


def _golden_images(subject: Subject) -> Tensor | None:
    """The first test images; None where nobody said which, or where they are not for this network."""
    if subject.source.dataset is None:
        return None
    images = subject.test_images.take(GOLDEN_IMAGES).images
    return images if tuple(images.shape[1:]) == subject.network.inputs[0].shape else None


def _place(out: Path | None, to: str | None) -> tuple[Path, Format]:
    if out is None and to is None:
        raise InvalidOption(f"Missing option '--out' (a {CONVERTED} file) or '--to' (.nir, .pt2, a folder/)")
    if out is not None and to is not None:
        raise InvalidOption("give --out or --to, not both")
    if to is not None:
        return Path(to), format_of(to)
    assert out is not None
    if out.suffix != CONVERTED:
        raise InvalidOption(f"the file of a converted network must end in {CONVERTED}, not {out.name!r}; see --to")
    return out, Format.RESPIKE


def _tuned(
    subject: Subject, storage: str, name: str, trial: int | None, among: Sequence[Method[Any]]
) -> SpikingNetwork:
    """The network as a trial of a study converts it."""
    from respike import tuning

    with console.busy(f"{name}: planning"):
        return tuning.from_study(subject.network, subject.calibration, storage, name, trial, among=among)


def _spiking(
    subject: Subject,
    method: str | None,
    refine: str | None,
    coding: Coding | None,
    given: Mapping[str, str | bool],
) -> SpikingNetwork:
    """The network as the method converts it, or as it has been converted."""
    if subject.plan is not None:
        if method is not None or refine is not None or coding is not None or given:
            raise InvalidOption(f"the network is converted already, by {subject.plan.method}")
        return SpikingNetwork(subject.network, subject.plan)
    if method is None:
        raise InvalidOption("Missing option '--method': say how to convert the network (respike methods lists them)")
    found = conversions.method(method, refine)
    return converted(subject, found, options.read(found, given), coding)
