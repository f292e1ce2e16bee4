"""One call of ``espnic audit``: from a capture, without keys, to what stands twice in it."""

from collections.abc import Collection, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from espnic.sim.audit import report
from espnic.sim.audit.audit import SaFindings, audit
from espnic.sim.audit.esp_packets import ESP_PORTS, LINKS, EspPacket, find
from espnic.sim.capture.packets import packets_in
from espnic.sim.files import check_file, replacing
from espnic.sim.problem import CaptureError, Finding, InputError
from espnic.sim.terminal import print_lines

PORT_MAX = 0xFFFF
_NOTE = """\
IV: the 8 bytes behind the ESP header, as of AES-GCM, GMAC, AES-CCM, AES-CTR, ChaCha20-Poly1305.
With AES-CBC they are half of it; with a NULL cipher or an implicit IV (RFC 8750) they are data."""


def run(
    path: Path, json_file: Path | None, console: Console, more_ports: Collection[int] = (),
) -> None:
    """Audit a capture and print what was found.

    ESP in UDP is looked for at port 4500 and at ``more_ports``. Writes all of it to ``json_file``
    as well, if there is one. Raises ``Finding`` when an IV stands twice, ``InputError`` for what is
    no port, and ``CaptureError`` for a capture that cannot be read or that has no ESP.
    """
    for port in more_ports:
        if not 0 < port <= PORT_MAX:
            raise InputError(f"--port {port}: expected a UDP port, 1 to {PORT_MAX}")
    if json_file is not None:
        check_file("--json", json_file)
    ports = list(dict.fromkeys((*ESP_PORTS, *more_ports)))
    reader = _Reader(path, ports)
    findings = audit(reader.esp_packets())
    if not findings:
        raise CaptureError(f"{path}: no ESP in {reader.frames:,} frames, expected ESP by protocol "
                           f"50 or in UDP on port {' or '.join(map(str, ports))}")
    if all(each.without_iv == each.packets for each in findings):
        raise CaptureError(f"{path}: none of {reader.frames:,} frames has an IV, expected ESP "
                           "captured to the end of its IV")
    if json_file is not None:
        with replacing(json_file) as partial:
            partial.write_text(report.to_json(str(path), reader.frames, findings), encoding="utf-8")
    console.print(_table(findings))
    print_lines(console, [("capture", f"{path}, {reader.frames:,} frames"),
                          *report.lines(findings)])
    if any(each.ivs for each in findings):
        console.print(_NOTE, highlight=False)
    bad = [each for each in findings if each.is_bad]
    if bad:
        packets = sum(report.count(each.ivs) for each in bad)
        raise Finding(f"{path}: {packets:,} packet{'s' * (packets > 1)} of {len(bad):,} "
                      f"SA{'s' * (len(bad) > 1)} with the IV of an earlier packet")


class _Reader:
    """Reader of a capture, which counts its frames.

    Members
    -------
    frames
        Number of frames so far.
    """

    def __init__(self, path: Path, ports: Collection[int]) -> None:
        self._path = path
        self._ports = ports
        self.frames = 0

    def esp_packets(self) -> Iterator[tuple[int, EspPacket]]:
        """The ESP packets, each with the number of its frame."""
        for packet in packets_in(self._path):
            self.frames += 1
            if packet.link not in LINKS:
                raise CaptureError(
                    f"{self._path}: link type {packet.link} of frame {self.frames}, expected one "
                    f"of {', '.join(map(str, sorted(LINKS)))}")
            found = find(packet, self._ports)
            if found is not None:
                yield self.frames, found


def _table(findings: list[SaFindings]) -> Table:
    table = Table("SA", box=None, header_style="bold")
    for name in ("packets", "copies", "IV twice", "number twice"):
        table.add_column(name, justify="right")
    for each in findings:
        counts = (each.packets, len(each.copies), report.count(each.ivs),
                  report.count(each.numbers))
        table.add_row(str(each.key), *(f"{count:,}" for count in counts))
    return table
