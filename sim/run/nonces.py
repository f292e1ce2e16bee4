"""Audit of the frames of a run, whose keys are known: which nonces stand twice.

What another has forged is left out: it has the IV and the number of a real packet, but its ICV is
wrong.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from espnic.model.esp import esp
from espnic.model.sa.sa import SecurityAssociation, esp_ports
from espnic.sim.audit import report
from espnic.sim.audit.audit import Known, Repeat, SaFindings, Seen, audit
from espnic.sim.audit.esp_packets import ESP_PORTS, EspPacket, SaKey, find
from espnic.sim.capture.link_layers import LINK_ETHERNET
from espnic.sim.capture.packets import Packet

_HIGH_LIMIT = 1 << 32


def lines(
    frames: Sequence[bytes], sas: Sequence[SecurityAssociation], more_ports: Iterable[int] = (),
) -> list[tuple[str, str]]:
    """Lines that say what stands twice in Ethernet frames, each with its name.

    ESP in UDP is looked for at port 4500, at the ports of the SAs and at ``more_ports``. None for
    frames without ESP.
    """
    packets, ports = {}, {*ESP_PORTS, *esp_ports(sas), *more_ports}
    for number, frame in enumerate(frames, start=1):
        found = find(Packet(LINK_ETHERNET, frame, len(frame)), ports)
        if found is not None:
            packets[number] = found
    if not packets:
        return []
    by_key = {SaKey(sa.destination.packed, sa.encapsulation, sa.spi): sa for sa in sas}
    known = {key: Known(sa.name, sa.esn, sa.initial_seq) for key, sa in by_key.items()}
    findings = [_authentic(each, by_key[each.key], packets) if each.known else each
                for each in audit(packets.items(), known)]
    return report.lines(findings, _shared_lines(packets, by_key))


def _shared_lines(
    packets: Mapping[int, EspPacket], by_key: Mapping[SaKey, SecurityAssociation],
) -> list[tuple[str, str]]:
    """Lines for SAs with the same key and salt: an IV of one must not stand under the other."""
    first: dict[tuple[bytes, bytes, bytes], tuple[SecurityAssociation, int]] = {}
    found: dict[tuple[str, str], list[str]] = {}
    for frame, packet in packets.items():
        sa = by_key.get(packet.key)
        if sa is None or packet.iv is None:
            continue
        other, earlier = first.setdefault((sa.key, sa.salt, packet.iv), (sa, frame))
        if other is sa:
            continue
        both = (other, packets[earlier]), (sa, packet)
        if all(_is_real(Seen(0, each.initial_seq, None), each, data) for each, data in both):
            found.setdefault((other.name, sa.name), []).append(f"frames {earlier}, {frame}")
    return [("IV twice", f"{name} and {other} have one key and salt: of their IVs {len(places):,} "
                         f"stand under both: {report.shown(places, len(places))}")
            for (name, other), places in found.items()]


def _authentic(
    findings: SaFindings, sa: SecurityAssociation, packets: Mapping[int, EspPacket],
) -> SaFindings:
    """The findings without packets whose ICV is wrong."""
    def real(repeats: Iterable[Repeat]) -> tuple[Repeat, ...]:
        kept = [tuple(seen for seen in repeat.packets if _is_real(seen, sa, packets[seen.frame]))
                for repeat in repeats]
        return tuple(Repeat(packets) for packets in kept if len(packets) > 1)

    return replace(findings, ivs=real(findings.ivs), numbers=real(findings.numbers))


def _is_real(seen: Seen, sa: SecurityAssociation, packet: EspPacket) -> bool:
    """Whether a packet is authentic; one that is not all there may be."""
    if not packet.whole:
        return True
    # Forged numbers may have put the count of rounds off.
    near = range((seen.number >> 32) - 1, (seen.number >> 32) + 2) if sa.esn else [0]
    return any(esp.open_authentic(sa, high, packet.data) is not None
               for high in near if 0 <= high < _HIGH_LIMIT)
