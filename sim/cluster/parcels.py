"""Folders as bytes; builds and netlists on their way to a worker that shares no folder."""

import io
import os
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from espnic.sim.build.cache import locked

Parcel = dict[str, bytes]
"""Entries of the folder of builds, packed, by their names."""


def packed(entry: Path) -> bytes:
    """A file or a whole folder."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", compresslevel=1) as archive:
        archive.add(entry, arcname=entry.name)
    return data.getvalue()


def unpacked(data: bytes, folder: Path) -> None:
    """Put a packed entry into a folder."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        # Python 3.11.4 is the first with the filter.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        archive.extractall(folder)


def pack_builds(cache: Path, names: Iterable[str]) -> Parcel:
    """Those entries of a folder of builds."""
    return {name: packed(cache / name) for name in names}


def unpack_builds(parcel: Parcel, cache: Path) -> None:
    """Put into a folder of builds what is not there."""
    cache.mkdir(parents=True, exist_ok=True)
    for name, data in parcel.items():
        entry = cache / name
        # The lock of a build, or of a netlist.
        with locked(cache / f"{name.removesuffix('.json')}.lock"):
            if not entry.exists():
                with tempfile.TemporaryDirectory(
                        dir=cache, prefix=".", suffix=".partial") as partial:
                    unpacked(data, Path(partial))
                    os.utime(Path(partial) / name)
                    (Path(partial) / name).rename(entry)
