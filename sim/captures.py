"""The plaintext of a capture: what the receiving kernel got out of ESP."""

import tarfile
import tempfile
from pathlib import Path

from sim.pcap import read_capture

ARCHIVE = "plain.tar.xz"
_SUFFIX = ".plain.pcap"


def plain_packets(capture: Path) -> tuple[bytes, ...] | None:
    """The raw IP packets that belong to ``NAME.pcap``, None when there are none beside it.

    They are in ``NAME.plain.pcap``, in the same gzipped, or in ``plain.tar.xz``.
    """
    name = capture.name.removesuffix(".gz").removesuffix(".pcapng").removesuffix(".pcap")
    for suffix in (_SUFFIX, f"{_SUFFIX}.gz"):
        path = capture.with_name(name + suffix)
        if path.exists():
            return read_capture(path).packets
    archive = capture.with_name(ARCHIVE)
    return _from_archive(archive, name + _SUFFIX) if archive.exists() else None


def _from_archive(archive: Path, member: str) -> tuple[bytes, ...] | None:
    with tarfile.open(archive) as tar, tempfile.TemporaryDirectory() as folder:
        if member not in tar.getnames():
            return None
        file = tar.extractfile(member)
        assert file is not None
        path = Path(folder) / member
        path.write_bytes(file.read())
        return read_capture(path).packets
