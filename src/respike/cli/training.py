"""`respike train`: a network of the zoo by its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from respike import zoo
from respike.cli import console


def train(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A network of the zoo (respike networks).", show_default=False)
    ],
    epochs: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, metavar="N", help="The number of epochs. Default: that of the recipe."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Seed of all random numbers in the training.")
    ] = None,
    directory: Annotated[
        Path, typer.Option(metavar="D", help="The folder for the weights and the training record.")
    ] = Path("trained"),
    keep_epochs: Annotated[
        int, typer.Option(min=0, metavar="N", help="Keep the weights after each of the last N epochs, too.")
    ] = 0,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="Where it is trained: cpu, or a device of torch such as cuda.")
    ] = "cpu",
) -> None:
    """Train a network of the zoo by its recipe. The same seed gives the same weights.

    After an interrupt, run the same command again to continue from the last finished epoch.
    """
    with console.progress() as progress:
        record = zoo.train(
            zoo.find(name),
            directory=directory,
            seed=seed,
            epochs=epochs,
            keep_epochs=keep_epochs,
            device=device,
            progress=progress,
        )
    weights = directory / f"{name}.safetensors"
    console.OUT.print(
        f"{name}: {100 * record.accuracy:.2f} % of {record.test_images:,} test images after {record.epochs} epochs\n"
        f"wrote {weights} (respike evaluate {weights} --method fit)",
        soft_wrap=True,
    )
