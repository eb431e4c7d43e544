"""Safetensors files, read whole: what was loaded stays as it is when the file is changed, replaced or cut short."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from respike.errors import InvalidFile


def parse(content: bytes, path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata in the content of a safetensors file.

    Raises `InvalidFile`, naming `path`, where it is none.
    """
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise InvalidFile(f"{path} is corrupted, truncated, or no safetensors file: {error}") from error
    return tensors, header.get("__metadata__", {})
