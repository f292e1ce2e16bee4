"""SA files of every form that people have; the form is told by the content."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnic.model.host import esp_sa_table, safile, table_sas, xfrm_text
from espnic.model.host.esp_sa_table import Row
from espnic.model.host.safile import SaFile, SaFileError


@dataclass(frozen=True)
class Table:
    """A table of Wireshark's, whose SAs a capture completes."""

    path: Path
    rows: tuple[Row, ...]

    def sas_of(self, frames: Sequence[bytes]) -> tuple[SaFile, int]:
        """The SAs of Ethernet frames, and the number of rows that are for none of them.

        Raises ``SaFileError`` when there is no SA.
        """
        entries, unused = table_sas.entries(self.rows, frames)
        if not entries:
            raise SaFileError(f"{self.path}: no row is for an ESP packet of the capture, expected "
                              "one by addresses and SPI")
        return safile.collect(self.path, entries), unused


def load(path: Path) -> SaFile | Table:
    """Read SAs: JSON, the output of ``ip xfrm state``, or Wireshark's file ``esp_sa``.

    Raises ``SaFileError``.
    """
    text = safile.text_of(path)
    if text.lstrip().startswith(("{", "[")):
        return safile.parse(path, text)
    if esp_sa_table.is_table(text):
        return Table(path, esp_sa_table.parse(str(path), text))
    if xfrm_text.is_xfrm_text(text):
        return safile.collect(path, xfrm_text.entries(str(path), text))
    raise SaFileError(f"{path}: no SA file, expected JSON, the output of ip xfrm state, or the "
                      "file esp_sa of Wireshark")
