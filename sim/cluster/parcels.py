"""Builds and netlists on their way to a worker that has no folder in common with the others."""

import io
import os
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from espnic.sim.build.cache import locked

Parcel = dict[str, bytes]
"""Entries of the folder of builds, by their names, each as a gzipped tar."""


def pack(cache: Path, names: Iterable[str]) -> Parcel:
    """The entries of these names."""
    return {name: _packed(cache, name) for name in names}


def unpack(parcel: Parcel, cache: Path) -> None:
    """Put into the folder what is not there."""
    cache.mkdir(parents=True, exist_ok=True)
    for name, data in parcel.items():
        entry = cache / name
        with locked(entry.with_suffix(".lock") if entry.suffix else cache / f"{name}.lock"):
            if not entry.exists():
                _unpack(data, entry)


def _packed(cache: Path, name: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", compresslevel=1) as archive:
        archive.add(cache / name, arcname=name)
    return data.getvalue()


def _unpack(data: bytes, entry: Path) -> None:
    with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".", suffix=".partial") as partial:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            # Python 3.11.4 is the first with the filter.
            archive.extraction_filter = getattr(
                tarfile, "data_filter", lambda member, _path: member)
            archive.extractall(partial)
        os.utime(Path(partial) / entry.name)
        (Path(partial) / entry.name).rename(entry)
