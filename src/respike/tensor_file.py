"""Safetensors files with a checksum, read whole: what was loaded stays when the file is changed or cut short."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from respike.errors import InvalidFile

_CHECKSUM = "sha256"


def pack(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The content of a safetensors file; a checksum over all of it joins the metadata."""
    plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
    return save(plain, {**metadata, _CHECKSUM: _checksum(plain, metadata)})


def parse(content: bytes, path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata in the content of a safetensors file, which need not have a checksum.

    Raises `InvalidFile`, naming `path`, where it is none, or its checksum is another one.
    """
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = dict(header.get("__metadata__", {}))
        signed = metadata.pop(_CHECKSUM, None)
        sound = signed is None or signed == _checksum(tensors, metadata)
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise InvalidFile(f"{path} is corrupted, truncated, or no safetensors file: {error}") from error
    if not sound:
        raise InvalidFile(f"{path} is corrupted: its checksum is another one")
    return tensors, metadata


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 of the metadata and of every tensor: its name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name!r} {tensor.dtype} {list(tensor.shape)};".encode())
        digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
