"""Findings of an audit as lines for the terminal and as JSON."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from espnic.model.interface.codes import Encapsulation
from espnic.sim.audit.audit import Repeat, SaFindings, Seen

SHOWN_REPEATS = 5
"""Most repeats of an SA that are shown with their frames."""
SHOWN_FRAMES = 4
"""Most frames of a repeat that are shown."""


def lines(
    findings: Sequence[SaFindings], more: Iterable[tuple[str, str]] = (),
) -> list[tuple[str, str]]:
    """Lines that say what stands twice, each with its name; one line when nothing does.

    ``more`` are lines about what was found otherwise.
    """
    found = [*(line for each in findings for line in _sa_lines(each)), *more]
    if not found:
        packets, sas = sum(each.packets for each in findings), len(findings)
        found = [("nonces", f"{packets:,} ESP packets of {sas:,} SA{'s' * (sas != 1)}: "
                            "no IV and no sequence number twice")]
    return found + _unseen_lines(findings) + _cut_lines(findings)


def _cut_lines(findings: Iterable[SaFindings]) -> list[tuple[str, str]]:
    """A line for each SA with copies that were cut short, so that they may be none."""
    cut = [(each, sum(not copy.whole for copy in each.copies)) for each in findings]
    return [("cut short", f"{_label(each)}: of {len(each.copies):,} packets that look like an "
                          f"earlier one {number:,} are cut short: they may differ behind that")
            for each, number in cut if number]


def _unseen_lines(findings: Iterable[SaFindings]) -> list[tuple[str, str]]:
    """A line for each SA with packets whose IV is not there to be looked at."""
    return [("no IV", f"{_label(each)}: {each.without_iv:,} of {each.packets:,} packets end before "
                      "their IV does, or were captured no further: of their IVs nothing is known")
            for each in findings if each.without_iv]


def _sa_lines(findings: SaFindings) -> list[tuple[str, str]]:
    of = f"{_label(findings)}: of {findings.packets:,} packets"
    told = []
    if findings.ivs:
        told.append(("IV twice", f"{of} {count(findings.ivs):,} with the IV of an earlier one: "
                                 f"{_frames(findings.ivs)}"))
    same = {repeat.frames for repeat in findings.ivs}
    numbers = [repeat for repeat in findings.numbers if repeat.frames not in same]
    if numbers:
        doubt = "" if findings.known else "; with ESN the high halves may differ"
        told.append(("number twice", f"{of} {count(numbers):,} with the sequence number of an "
                                     f"earlier one: {_frames(numbers)}{doubt}"))
    return told


def _label(findings: SaFindings) -> str:
    name = f"{findings.known.name}, " if findings.known else ""
    return f"{name}{findings.key}"


def count(repeats: Sequence[Repeat]) -> int:
    """Number of packets that have what an earlier one has."""
    return sum(len(repeat.packets) - 1 for repeat in repeats)


def _frames(repeats: Sequence[Repeat]) -> str:
    texts = ["frames " + ", ".join(map(str, repeat.frames[:SHOWN_FRAMES]))
             + (" ..." if len(repeat.frames) > SHOWN_FRAMES else "")
             for repeat in repeats[:SHOWN_REPEATS]]
    return shown(texts, len(repeats))


def shown(texts: Sequence[str], count: int) -> str:
    """The first of ``count`` texts, and the number of the others."""
    more = count - SHOWN_REPEATS
    few = [*texts[:SHOWN_REPEATS]]
    return "; ".join([*few, f"and {more:,} more"] if more > 0 else few)


def to_json(capture: str, frames: int, findings: Sequence[SaFindings]) -> str:
    """All findings about a capture, as JSON."""
    return json.dumps({
        "capture": capture, "frames": frames, "sas": [_sa_json(each) for each in findings],
    }, indent=1) + "\n"


def _sa_json(findings: SaFindings) -> dict[str, Any]:
    key = findings.key
    return {
        "destination": str(key.address),
        "spi": f"0x{key.spi:08x}",
        "encapsulation": "espinudp" if key.encapsulation == Encapsulation.UDP else None,
        "packets": findings.packets,
        "without_iv": findings.without_iv,
        "copies": [copy._asdict() for copy in findings.copies],
        "same_iv": [[_packet_json(packet) for packet in repeat.packets]
                    for repeat in findings.ivs],
        "same_sequence": [[_packet_json(packet) for packet in repeat.packets]
                          for repeat in findings.numbers],
    }


def _packet_json(packet: Seen) -> dict[str, Any]:
    return {"frame": packet.frame, "sequence": packet.low,
            "iv": packet.iv.hex() if packet.iv is not None else None}
