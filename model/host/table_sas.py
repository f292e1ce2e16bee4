"""The SAs of which Wireshark's table has the keys, found in a capture.

The table says neither mode nor encapsulation, and in old versions not the length of the ICV and of
the sequence number. The packets say it: an SA is what opens them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from espnic.model.esp import esp
from espnic.model.host import receiver
from espnic.model.host.esp_sa_table import Row
from espnic.model.host.safile import Entry
from espnic.model.interface.codes import (
    IPPROTO_NONE,
    IPPROTO_UDP,
    UDP_PORT_ESP,
    Encapsulation,
    IcvSize,
)
from espnic.model.net import ip
from espnic.model.net.addresses import Address
from espnic.model.net.header_fields import (
    ESP_SEQUENCE,
    ESP_SPI,
    UDP_DESTINATION_PORT,
    UDP_SOURCE_PORT,
)
from espnic.model.net.ip import TUNNEL_PROTOCOLS, IpPacket
from espnic.model.sa.sa import ALGORITHM, SALT_BYTES, SecurityAssociation

_KEPT_PACKETS = 16
"""Packets of an SA that are tried."""


@dataclass
class _Seen:
    """The first packets with one destination, encapsulation and SPI."""

    first: IpPacket
    encapsulation: Encapsulation
    spi: int
    packets: list[bytes]
    """ESP packets."""


def entries(rows: Sequence[Row], frames: Iterable[bytes]) -> tuple[list[Entry], int]:
    """The SAs of a capture for which there is a row, and the number of rows for no packet of it."""
    found: list[Entry] = []
    used: set[int] = set()
    for seen in _seen(frames):
        number = next((number for number, row in enumerate(rows) if row.matches(
            seen.first.source, seen.first.destination, seen.spi)), None)
        if number is not None:
            used.add(number)
            found.append(_entry(rows[number], seen, {entry.values["name"] for entry in found}))
    return found, len(rows) - len(used)


def _seen(frames: Iterable[bytes]) -> Iterable[_Seen]:
    """The packets of all SAs of a capture, in the order in which they begin."""
    seen: dict[tuple[Address, Encapsulation, int], _Seen] = {}
    reassembler = ip.Reassembler()
    for frame in frames:
        whole = receiver.whole_packet(reassembler, frame)
        packet = None if whole is None else receiver.find_esp(whole, _ports(whole))
        if whole is None or packet is None:
            continue
        spi = ESP_SPI.read(packet.data)
        each = seen.setdefault((whole.destination, packet.encapsulation, spi),
                               _Seen(whole, packet.encapsulation, spi, []))
        if len(each.packets) < _KEPT_PACKETS:
            each.packets.append(packet.data)
    return seen.values()


def _ports(whole: IpPacket) -> tuple[int, ...]:
    """The port at which ESP may be; behind a NAT only the other end has that of ESP."""
    ports = UDP_SOURCE_PORT.read(whole.payload), UDP_DESTINATION_PORT.read(whole.payload)
    return ports[1:] if whole.protocol == IPPROTO_UDP and UDP_PORT_ESP in ports else ()


def _entry(row: Row, seen: _Seen, taken: set[Any]) -> Entry:
    name = f"0x{seen.spi:08x}"
    if name in taken:
        over = " in UDP" if seen.encapsulation == Encapsulation.UDP else ""
        name += f" to {seen.first.destination}{over}"
    values: dict[str, Any] = {
        "name": name, "spi": seen.spi, "src": str(seen.first.source),
        "dst": str(seen.first.destination), "alg": ALGORITHM if row.icvs else row.algorithm}
    if seen.encapsulation == Encapsulation.UDP:
        values["encap"] = {"sport": UDP_SOURCE_PORT.read(seen.first.payload),
                           "dport": UDP_DESTINATION_PORT.read(seen.first.payload)}
    if not row.icvs:
        return Entry(values)
    sa, next_headers = _opening(row, seen)
    tunnel = next_headers <= set(TUNNEL_PROTOCOLS.values())
    return Entry(values | {
        "mode": "tunnel" if tunnel else "transport", "key": sa.key.hex(), "salt": sa.salt.hex(),
        "icv_bits": 8 * sa.icv.bytes, "esn": sa.esn, "initial_seq": sa.initial_seq})


def _opening(row: Row, seen: _Seen) -> tuple[SecurityAssociation, set[int]]:
    """The SA that opens the packets, and the next headers in them.

    When none does, the first that the row allows.
    """
    tried = [_association(row, seen, esn, icv) for esn, icv in product(row.esns, row.icvs)]
    for sa in tried:
        opened = [esp.open_authentic(sa, row.high, data) for data in seen.packets]
        next_headers = {each.text[-1] for each in opened if each is not None}
        if next_headers:
            return sa, next_headers - {IPPROTO_NONE}
    return tried[0], set()


def _association(row: Row, seen: _Seen, esn: bool, icv: IcvSize) -> SecurityAssociation:
    low = max(ESP_SEQUENCE.read(seen.packets[0]), 1)
    return SecurityAssociation(
        spi=seen.spi, source=seen.first.source, destination=seen.first.destination,
        inner_family=seen.first.version, key=row.key[:-SALT_BYTES], salt=row.key[-SALT_BYTES:],
        icv=icv, esn=esn, initial_seq=row.high << 32 | low if esn else 1)
