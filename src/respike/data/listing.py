"""What data sets there are, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from respike.data.catalogue import IMAGENET, SPECS, Spec, Split
from respike.data.places import VARIABLE, locate, roots


@dataclass(frozen=True)
class Listing:
    """A data set as a person wants to know it.

    Args:
        name: of the data set.
        classes: how many there are.
        train_images: how many images there are for training.
        test_images: how many there are for testing.
        image_shape: (channels, height, width).
        size: bytes of all images, unpacked; 0 where it is not known.
        embedded: the splits that come with the package.
        place: where all its files lie on this machine, None where some are absent.
        sources: where `fetch` gets it from, in order; none where its terms forbid passing it on.
    """

    name: str
    classes: int
    train_images: int
    test_images: int
    image_shape: tuple[int, int, int]
    size: int
    embedded: tuple[str, ...]
    place: Path | None
    sources: tuple[str, ...]

    @property
    def how(self) -> str:
        """How to get it."""
        if self.sources:
            return f"respike.data.fetch({self.name!r}), from {', or '.join(self.sources)}"
        return (
            "from https://image-net.org; class folders go into imagenet/train and imagenet/val of the folder in "
            f"{VARIABLE}"
        )


def available(directory: Path | None = None) -> tuple[Listing, ...]:
    """Every data set that respike can read. Whether the files are whole is checked on loading, not here."""
    return (*(_listing(spec, directory) for spec in SPECS), _imagenet(directory))


def _listing(spec: Spec, directory: Path | None) -> Listing:
    places = [locate(spec, member, directory) for member in spec.files]
    return Listing(
        name=spec.name,
        classes=len(spec.classes),
        train_images=spec.counts[Split.TRAIN],
        test_images=spec.counts[Split.TEST],
        image_shape=spec.image_shape,
        size=spec.size,
        embedded=tuple(split.value for split in spec.embedded),
        place=places[0].path.parent if places[0] and all(places) else None,
        sources=tuple(source.name for source in spec.sources),
    )


def _imagenet(directory: Path | None) -> Listing:
    candidates = [base for root in roots(directory) for base in (root / IMAGENET, root)]
    place = next((base for base in candidates if (base / "val").is_dir()), None)
    return Listing(IMAGENET, 1000, 1_281_167, 50_000, (3, 224, 224), 0, (), place, ())
