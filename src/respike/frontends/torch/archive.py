"""Reading files. Only `.pt2` archives are read, and only if nothing in them can run code."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from respike.errors import InvalidFile
from respike.files import check_plain
from respike.frontends.torch.capture import quiet

_PICKLES = {".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin"}
_SAFE_FILE = re.compile(
    r"models/model\.json|data/weights/(weight_\d+|model_weights_config\.json)|"
    r"data/constants/(tensor_\d+|model_constants_config\.json)|data/sample_inputs/model\.pt|"
    r"archive_format|archive_version|byteorder|\.data/\w+|\.format_version|\.storage_alignment|extra/.*"
)
_SAFE_TARGET = re.compile(r"torch\.ops\.aten\.\w+\.\w+|_operator\.(getitem|add|sub|mul|floordiv|neg|eq|ne|ge|gt|le|lt)")
_SAFE_SIZE = re.compile(
    r"(Symbol\('[a-z]+\d+'(, \w+=True)*\)|(Integer|Add|Mul|Max|Min|FloorDiv|Mod)\(|[su]?\d+\b|\*(?!\*)|[-+/(), ])*"
)
_IMPORTS = re.compile(r"__enum__|default_factory|\\u")


def read_program(path: str | Path) -> ExportedProgram:
    """The program in a `.pt2` archive that `torch.export.save` wrote.

    `torch.export.load` would run code hidden in a crafted archive (pickled weights or examples, size expressions that
    are evaluated, compiled libraries), so the archive is looked through first, and refused if it holds any of these.

    Raises `InvalidFile` if the file is missing, damaged, of another kind, or refused.
    """
    file = Path(path)
    check_plain(file)
    _check_kind(file)
    try:
        return _load(_checked_parts(file.read_bytes()))
    except InvalidFile:
        raise
    except Exception as error:  # a damaged archive can fail anywhere in torch's reader
        first = (str(error).splitlines() or [""])[0]
        reason = f"{type(error).__name__}: {first}"
        raise InvalidFile(f"{file.name!r} is damaged, or of a torch version this one cannot read ({reason})") from None


def _check_kind(file: Path) -> None:
    suffix = file.suffix.lower()
    if _is_torchscript(file):
        raise InvalidFile(
            f"{file.name!r} is a TorchScript archive, whose Python is gone; build the module that it was made from, "
            "give that its weights by model.load_state_dict(torch.jit.load(path).state_dict()), and load the module"
        )
    if suffix in _PICKLES:
        raise InvalidFile(
            f"{file.name!r} is a pickle, which can run any code when it is opened, so respike does not open it; "
            "build the model in Python and load its weights from a safetensors file (or with torch.load(..., "
            "weights_only=True)), then pass the module, or save it once with torch.export.save as a .pt2 archive"
        )
    if suffix != ".pt2":
        raise InvalidFile(f"{file.name!r}: .pt2 archives (torch.export.save), .onnx, .keras and .h5 files can be read")


def _is_torchscript(file: Path) -> bool:
    """Whether a file is what `torch.jit.save` writes; nothing but its list of names is read."""
    try:
        if not zipfile.is_zipfile(file):
            return False
        with zipfile.ZipFile(file) as archive:
            roles = {name.partition("/")[2] for name in archive.namelist()}
    except Exception:  # whatever zipfile says of a broken one: reading it will tell
        return False
    return "constants.pkl" in roles and any(role.startswith("code/") for role in roles)


def _checked_parts(contents: bytes) -> dict[str, bytes]:
    """The files of an archive by name, once nothing among them can run code."""
    with zipfile.ZipFile(io.BytesIO(contents)) as archive:
        entries = archive.infolist()
        parts = {entry.filename: archive.read(entry) for entry in entries if entry.compress_type == zipfile.ZIP_STORED}
    if len(parts) != len(entries):
        raise InvalidFile("the archive holds compressed files, or two of one name; torch.export.save writes neither")
    by_role = {name.partition("/")[2]: name for name in parts}
    strange = [role for role in by_role if not _SAFE_FILE.fullmatch(role)]
    if strange or len({name.partition("/")[0] for name in parts}) != 1:
        raise InvalidFile(
            f"the archive holds more than torch.export.save writes for a plain network: {strange}; "
            "save it again with torch 2.9 or later"
        )
    for role in ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json"):
        _check_json(json.loads(parts[by_role[role]]))
    _check_json(json.loads(parts[by_role["models/model.json"]]))
    # torch falls back to an unsafe reader where the safe one fails, so the safe one must succeed here.
    torch.load(io.BytesIO(parts[by_role["data/sample_inputs/model.pt"]]), weights_only=True)
    return parts


def _check_json(part: Any) -> None:
    """Refuse pickles, operators outside of aten, sizes that are more than arithmetic, containers that import."""
    if isinstance(part, list):
        for item in part:
            _check_json(item)
    if not isinstance(part, dict):
        return
    target, size = part.get("target"), part.get("expr_str", "")
    if part.get("use_pickle"):
        raise InvalidFile(f"{part.get('path_name')!r} is a pickle, which can run any code; respike does not open it")
    if "inputs" in part and isinstance(target, str) and not _SAFE_TARGET.fullmatch(target):
        raise InvalidFile(f"the archive calls {target!r}; only operators of torch.ops.aten are read from files")
    if not _SAFE_SIZE.fullmatch(size):
        raise InvalidFile(f"the archive holds the size expression {size!r}, which is more than arithmetic")
    for key, item in part.items():
        if key.endswith("_spec") and isinstance(item, str) and _IMPORTS.search(item):
            raise InvalidFile(f"the archive holds a container that imports a module: {item!r}")
        _check_json(item)


def _load(parts: dict[str, bytes]) -> ExportedProgram:
    clean = io.BytesIO()  # written anew: torch's zip reader must see no other files than the one used above
    with zipfile.ZipFile(clean, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    clean.seek(0)
    with quiet():
        return torch.export.load(clean)
