"""Wireshark's table of ESP SAs: the file ``esp_sa`` of its profile, which strongSwan writes too.

Each row says which packets it is for, with ``*`` for any, and how to open them. Source: Wireshark
4, epan/dissectors/packet-ipsec.c and epan/uat.c.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from espnic.model.host.safile import SaFileError, shown
from espnic.model.interface.codes import ICV_SIZES, KEY_BYTES, IcvSize
from espnic.model.net.addresses import Address, Network, without_zone
from espnic.model.sa.sa import SALT_BYTES

ANY = "*"
_VERSIONS = {"ipv4": 4, "ipv6": 6}
_ROW = re.compile(r'\s*"?IPv[46]"?\s*,', re.IGNORECASE)
_OLD_COLUMNS, _COLUMNS = 8, 10
"""Columns of a row; the last two, of extended sequence numbers, came with Wireshark 4."""
_GCM = re.compile(r"AES-GCM(?: with (8|12|16) octet ICV)? \[RFC4106\]")
_ANY_ICV = re.compile(r"ANY (64|96|128) bit authentication \[no checking\]")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
_SPI = re.compile(r"0[xX][0-9a-fA-F]{1,8}")
_SPI_PATTERN = re.compile(r"0[xX][0-9a-fA-F*]{8}")
_PART = re.compile(r"\d{1,3}|\*")
_HIGH = re.compile(r"0[xX][0-9a-fA-F]{1,8}|0|[1-9]\d{0,8}")
_SEQUENCE_BITS = {"32-bit": False, "64-bit": True}
_KEY_EXPECTED = ("0x and hex of " + ", ".join(str(size + SALT_BYTES) for size in KEY_BYTES)
                 + " bytes: key and salt")


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    is_from: Callable[[Address], bool]
    is_to: Callable[[Address], bool]
    has_spi: Callable[[int], bool]
    algorithm: str
    """Wireshark's name."""
    key: bytes
    """AES key with the salt at its end; nothing for another algorithm."""
    icvs: tuple[IcvSize, ...]
    """Lengths that the ICV may have; none for another algorithm than AES-GCM."""
    esns: tuple[bool, ...]
    """Whether it may have extended sequence numbers."""
    high: int
    """High half of these."""

    def matches(self, source: Address, destination: Address, spi: int) -> bool:
        """Whether the row is for a packet; of several rows Wireshark takes the first."""
        return self.is_from(source) and self.is_to(destination) and self.has_spi(spi)


def is_table(text: str) -> bool:
    """Whether a text is such a table, by its first row."""
    return any(_ROW.match(line) for _number, line in _lines(text))


def parse(where: str, text: str) -> tuple[Row, ...]:
    """The rows of the table. Raises ``SaFileError``, whose message begins with ``where``."""
    return tuple(_row(f"{where}: line {number}", line) for number, line in _lines(text))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The rows with their numbers; a row that is not in use is a comment."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _row(where: str, line: str) -> Row:
    try:
        [cells] = csv.reader([line], skipinitialspace=True)
    except csv.Error as error:
        raise SaFileError(f"{where}: {error}, expected a row of Wireshark's table") from None
    if len(cells) not in (_OLD_COLUMNS, _COLUMNS):
        raise SaFileError(f"{where}: {len(cells)} columns, expected {_OLD_COLUMNS} or {_COLUMNS} "
                          "as in Wireshark's table of ESP SAs")
    cells = [_ESCAPE.sub(lambda found: chr(int(found[1], 16)), cell).strip() for cell in cells]
    protocol, source, destination, spi, algorithm, key, authentication, _key, *numbers = cells
    if protocol.lower() not in _VERSIONS:
        raise SaFileError(f"{where}: protocol {shown(protocol)}, expected IPv4 or IPv6")
    version = _VERSIONS[protocol.lower()]
    gcm = _GCM.fullmatch(algorithm)
    esns, high = _numbers(where, numbers)
    return Row(
        _addresses(where, "source", source, version),
        _addresses(where, "destination", destination, version),
        _spis(where, spi), algorithm, _key_of(where, key) if gcm else b"",
        _icvs(gcm[1], authentication) if gcm else (), esns, high)


def _icvs(octets: str | None, authentication: str) -> tuple[IcvSize, ...]:
    """The lengths of the ICV; the old name of the algorithm leaves them open."""
    if octets is not None:
        return (ICV_SIZES[8 * int(octets)],)
    any_icv = _ANY_ICV.fullmatch(authentication)
    return (ICV_SIZES[int(any_icv[1])],) if any_icv else tuple(reversed(IcvSize))


def _numbers(where: str, cells: list[str]) -> tuple[tuple[bool, ...], int]:
    if not cells:
        return (False, True), 0
    length, high = cells
    number = _HIGH.fullmatch(high or "0")
    if length not in _SEQUENCE_BITS or number is None:
        raise SaFileError(f"{where}: sequence number {shown(length)}, {shown(high)}, expected "
                          "32-bit or 64-bit, and its high half")
    return (_SEQUENCE_BITS[length],), int(number[0], 0)


def _key_of(where: str, text: str) -> bytes:
    """The key: hex behind 0x, else the characters themselves. No message shows it."""
    try:
        key = bytes.fromhex(text[2:]) if text[:2].lower() == "0x" else text.encode("latin-1")
    except ValueError:
        raise SaFileError(f"{where}: key: not hex of whole bytes, expected {_KEY_EXPECTED}"
                          ) from None
    if len(key) - SALT_BYTES not in KEY_BYTES:
        raise SaFileError(f"{where}: key: {len(key)} bytes, expected {_KEY_EXPECTED}")
    return key


def _spis(where: str, text: str) -> Callable[[int], bool]:
    if text == ANY:
        return lambda _spi: True
    if _SPI.fullmatch(text):
        number = int(text, 16)
        return lambda spi: spi == number
    if _SPI_PATTERN.fullmatch(text):
        pattern = re.compile(text[2:].lower().replace(ANY, "."))
        return lambda spi: pattern.fullmatch(f"{spi:08x}") is not None
    raise SaFileError(f"{where}: SPI {shown(text)}, expected 0x and hex digits, eight where * is "
                      f"one of them, or {ANY}")


def _addresses(where: str, name: str, text: str, version: int) -> Callable[[Address], bool]:
    parts = text.split(".")
    if text == ANY:
        return lambda address: address.version == version
    if version == 4 and ANY in text and len(parts) == 4 and all(map(_PART.fullmatch, parts)):
        pattern = re.compile(r"\.".join(r"\d+" if part == ANY else part for part in parts))
        return lambda address: pattern.fullmatch(str(address)) is not None
    try:
        given: Network | None = ip_network(text, strict=False)
    except ValueError:
        given = None
    if given is None or given.version != version:
        raise SaFileError(f"{where}: {name} {shown(text)}, expected an IPv{version} address, "
                          f"a network, or {ANY}")
    network = ip_network((without_zone(given.network_address), given.prefixlen))
    return lambda address: address in network
