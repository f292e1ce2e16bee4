"""Files beside a capture: the plaintext that the receiving kernel got, and whole archives."""

import lzma
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from espnic.sim.capture.pcap import Capture, read_capture
from espnic.sim.problem import CaptureError

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
    if not archive.exists() or name + _SUFFIX not in members(archive):
        return None
    return archived_capture(archive, name + _SUFFIX).packets


def archived_capture(archive: Path, member: str) -> Capture:
    """Read a capture in an archive. Raises ``CaptureError``."""
    if member not in members(archive):
        raise CaptureError(f"{archive}: holds no {member}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / member
        path.write_bytes(members(archive)[member])
        return read_capture(path)


@cache
def members(archive: Path) -> dict[str, bytes]:
    """The files of a tar archive by name. Raises ``CaptureError`` for one that cannot be read."""
    try:
        with tarfile.open(archive) as tar:
            files = {entry.name: tar.extractfile(entry) for entry in tar if entry.isfile()}
            return {name: file.read() for name, file in files.items() if file is not None}
    except OSError as error:
        raise CaptureError(
            f"{archive}: {error.strerror}, expected an archive of captures") from None
    except (EOFError, lzma.LZMAError, tarfile.TarError):
        raise CaptureError(f"{archive}: damaged, expected an archive of captures") from None
