"""`respike data`: what images there are, and how to get more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.progress import DownloadColumn

from respike import data
from respike.cli.console import OUT, progress
from respike.cli.helping import HelpedCommand, HelpedGroup
from respike.cli.tables.grid import Column, Grid, Kind, Row
from respike.data import Listing

app = typer.Typer(cls=HelpedGroup, add_completion=False, no_args_is_help=True, help="List and download data sets.")

Directory: TypeAlias = Annotated[
    Path | None,
    typer.Option("--directory", metavar="D", help="The data folder. Default: RESPIKE_DATA, or the user's cache."),
]


@app.command("list", cls=HelpedCommand)
def list_datasets(directory: Directory = None) -> None:
    """List the data sets, with their sizes and where they are on this machine."""
    numbers = (Column(heading) for heading in ("classes", "train", "test", "image"))
    columns = [Column("data set", Kind.WORD), *numbers, Column("where", Kind.TEXT)]
    rows = []
    for listing in data.available(directory):
        images = (str(listing.classes), f"{listing.train_images:,}", f"{listing.test_images:,}")
        rows.append(Row((listing.name, *images, "x".join(map(str, listing.image_shape)), _where(listing))))
    OUT.print(Grid(columns, rows, gap=2))


@app.command(cls=HelpedCommand)
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="mnist, fashion-mnist, cifar10 …", show_default=False)],
    directory: Directory = None,
) -> None:
    """Download a data set. Existing files are kept; each new file is checked before it is put in place."""
    with progress(DownloadColumn()) as shown:
        fetched = data.fetch(name, directory, shown)
    for path in fetched.paths:
        OUT.print(str(path), soft_wrap=True)
    OUT.print(f"{fetched.name}: {len(fetched.paths)} files ({fetched.source})", soft_wrap=True)


def _place(listing: Listing) -> str:
    if listing.place is not None:
        return str(listing.place)
    return f"respike data fetch {listing.name}" if listing.sources else listing.how


def _where(listing: Listing) -> str:
    embedded = [f"{' and '.join(listing.embedded)} images come with respike"] if listing.embedded else []
    return "; ".join([*embedded, _place(listing)])
