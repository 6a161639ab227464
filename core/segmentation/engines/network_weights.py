"""Weights: what a weights file is by its own bytes, and its tensors, without ever running code that it brings.

Safetensors and ONNX hold numbers alone; a PyTorch state_dict is a pickle, which is opened by torch's restricted reader
(weights_only) after its archive was looked at. Everything else is refused with the reason. What looks without opening
is bounded in time and memory whatever the file holds. Builds no network.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from pathlib import Path, PurePosixPath
from typing import IO, Any

from core.errors import BadModel
from core.segmentation.engines.network_files import open_plain
from core.segmentation.engines.network_onnx import Found, look

SAFETENSORS, ONNX, STATE_DICT = "safetensors", "onnx", "state_dict"
MAX_WEIGHTS = 4 * 10**9
MAX_HEADER = 16 * 2**20
MAX_TENSORS = 20_000
MAX_DIMS, MAX_SIDE = 16, 2**48  # of one tensor
MAX_TABLE = 4 * 2**20  # of an archive: what lists its files
SAVE = "save the weights as safetensors: safetensors.torch.save_model(network, 'model.safetensors')"
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
Shapes = dict[str, tuple[int, ...]]


def weights_path(folder: Path, name: str) -> Path:
    """The weights file beside a config.

    Raises:
        BadModel: it is missing, not a plain file inside the folder, or far too large.
    """
    path = folder / name
    if not path.is_file():
        raise BadModel(f"the weights {name} are not beside the config", hint="put them there, or correct weights.file")
    inside = path.resolve().parent == folder.resolve()
    if not inside:
        raise BadModel(f"the weights {name} lie outside the model's folder", hint="copy the file itself there")
    if path.stat().st_size > MAX_WEIGHTS:
        size = path.stat().st_size / 1e9
        raise BadModel(
            f"the weights take {size:.1f} GB, the most is {MAX_WEIGHTS / 1e9:g} GB", hint="use a smaller one"
        )
    return path


def digest(path: Path) -> str:
    """The sha256 of a file, computed once as long as it does not change. Raises BadModel."""
    with _opened(path):
        return _digest(path, *_mark(path))


def _mark(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@lru_cache(maxsize=64)
def _digest(path: Path, *mark: int) -> str:
    sums, left = hashlib.sha256(), MAX_WEIGHTS  # so that a file that grows as fast as it is read has an end
    with open_plain(path) as file:
        while left > 0 and (chunk := file.read(min(left, 2**20))):
            sums.update(chunk)
            left -= len(chunk)
    return sums.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, open. Raises BadModel where it cannot be read."""
    try:
        with open_plain(path) as file:
            yield file
    except OSError as error:
        said = f"{path.name} cannot be read ({error.strerror or type(error).__name__})"
        raise BadModel(said, hint="look whether it is there and may be read") from None


def kind_of(path: Path) -> str:
    """SAFETENSORS, ONNX or STATE_DICT, by the file's bytes and not by its name.

    Raises:
        BadModel: anything else, with the reason why it is not opened.
    """
    with _opened(path) as file:
        head = file.read(16)
        file.seek(257)
        tar = b"ustar" in file.read(8)
        size = os.fstat(file.fileno()).st_size
        # First, since a header's length may begin as a pickle or an archive does; as a length, theirs is enormous.
        length = int.from_bytes(head[:8], "little")
        if head[8:9] == b"{" and 2 <= length <= size - 8:
            return SAFETENSORS
        if head[:2] == b"PK":
            return _archive(path.name, _Sparing(file), size)
    if head[:1] == b"\x80" or tar or head[:2] in (b"(d", b"}q", b"cc"):
        said = f"{path.name} is a pickle of the old kind, which can run any code when it is opened"
        raise BadModel(said, hint=SAVE)
    if path.suffix == ".onnx":
        return ONNX
    raise BadModel(f"{path.name} is neither safetensors, ONNX nor a state_dict", hint=SAVE)


class _Sparing(io.RawIOBase):
    """A file for zipfile, which takes an archive's whole table in one read: never more than MAX_TABLE."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Some bytes. Raises ValueError for too many."""
        if size > MAX_TABLE:
            raise ValueError(size)
        return self._file.read(size if size >= 0 else MAX_TABLE)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As the file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """It is."""
        return True


def _archive(name: str, file: _Sparing, whole: int) -> str:
    """STATE_DICT, if that is what the archive of so many bytes is."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise BadModel(f"{name} is a damaged archive", hint="fetch or save it again") from None
    if len(entries) > MAX_TENSORS:
        raise BadModel(f"{name} is an archive, but no state_dict", hint=SAVE)
    names = [PurePosixPath(entry.filename) for entry in entries]
    inner = {name.parts[1] if len(name.parts) > 1 else str(name) for name in names}
    if "constants.pkl" in inner or "code" in inner:
        raise BadModel(f"{name} is TorchScript: a program, not weights", hint=SAVE)
    if inner & {"archive_format", "models", "weights", "serialized_exported_program.json", "extra"}:
        raise BadModel(f"{name} is a torch.export program, which torch opens as a pickle", hint=SAVE)
    if any(".." in name.parts or name.is_absolute() for name in names):
        raise BadModel(f"{name} names files outside itself", hint=SAVE)
    if "data.pkl" not in inner:
        raise BadModel(f"{name} is an archive, but no state_dict", hint=SAVE)
    if sum(entry.file_size for entry in entries) > whole:
        raise BadModel(f"{name} is packed in a way torch never does", hint=SAVE)
    for entry in entries:
        small = not entry.filename.endswith("data.pkl") or entry.file_size <= MAX_HEADER
        if entry.compress_type != zipfile.ZIP_STORED or not small:
            raise BadModel(f"{name} is packed in a way torch never does", hint=SAVE)
    return STATE_DICT


def safetensors_shapes(path: Path) -> Shapes:
    """Names and shapes in a safetensors file, from its header alone.

    Raises:
        BadModel: the header is not what the format says, or its tensors do not fill the file exactly.
    """
    bad = BadModel(f"{path.name} is a damaged safetensors file", hint="fetch or save it again")
    with _opened(path) as file:
        whole = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= MAX_HEADER:
            raise bad
        raw = file.read(length)
    try:
        header = json.loads(raw)
        header.pop("__metadata__", None)
        shapes: Shapes = {}
        spans = []
        for name, said in header.items():
            shape = tuple(int(n) for n in said["shape"][: MAX_DIMS + 1])
            if len(shape) > MAX_DIMS or max(shape, default=0) > MAX_SIDE:
                raise bad
            start, stop = (int(n) for n in said["data_offsets"])
            if min(shape, default=0) < 0 or stop - start != prod(shape) * _BYTES[said["dtype"]]:
                raise bad
            shapes[name] = shape
            spans.append((start, stop))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise bad from None
    at = 0
    for start, stop in sorted(spans):
        if start != at:
            raise bad
        at = stop
    if not shapes or len(shapes) > MAX_TENSORS or 8 + length + at != whole:
        raise bad
    return shapes


def onnx_found(path: Path) -> Found:
    """What an ONNX file holds. Raises BadModel."""
    with _opened(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise BadModel(f"{path.name} is empty", hint="fetch or save it again")
        return _onnx_found(path, *_mark(path))


@lru_cache(maxsize=16)
def _onnx_found(path: Path, *mark: int) -> Found:
    """Read once as long as the file does not change."""
    with open_plain(path) as file:
        return look(file)


def load_tensors(path: Path, kind: str) -> dict[str, Any]:
    """All tensors of a safetensors file or a state_dict, as torch has them.

    Raises:
        BadModel: the file is damaged, or holds something else than tensors.
    """
    if kind == SAFETENSORS:
        return _load_safetensors(path)
    import pickle

    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, KeyError, EOFError, TypeError, AttributeError, OSError):
        said = f"{path.name} holds more than numbers, or is damaged: torch's restricted reader refuses it"
        raise BadModel(said, hint=SAVE) from None
    for key in ("state_dict", "model_state_dict"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found:
        raise BadModel(f"{path.name} is no state_dict: it holds no tensors by name", hint=SAVE)
    for name, tensor in found.items():
        plain = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided and not tensor.is_quantized
        if not isinstance(name, str) or not plain:
            raise BadModel(f"{path.name} holds something else than plain tensors", hint=SAVE)
    return dict(found)


def _load_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    safetensors_shapes(path)
    try:
        return dict(load_file(path, device="cpu"))
    except (SafetensorError, OSError, ValueError):
        raise BadModel(f"{path.name} is a damaged safetensors file", hint="fetch or save it again") from None
