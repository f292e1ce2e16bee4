"""SA files: the JSON (schema "kpeer-1") that lies beside each capture.

A file is an object with a list ``sas``. An SA needs spi, src, dst, mode, alg, key, salt
and icv_bits; captures/README.md has all fields and their defaults. Fields that
only describe the capture are ignored.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from espnic.model.esp import esn
from espnic.model.interface.codes import (
    ESP_PORTS,
    ICV_SIZES,
    KEY_BYTES,
    UDP_PORT_ESP,
    Encapsulation,
)
from espnic.model.net.addresses import Address, without_zone
from espnic.model.sa.sa import (
    ALGORITHM,
    ANY_FAMILY,
    REPLAY_WINDOW_MAX,
    SALT_BYTES,
    SEQIV_SALT_BYTES,
    SecurityAssociation,
    Selector,
    esp_ports,
)

SCHEMA = "kpeer-1"
ENCAPSULATION = "espinudp"
TEXT_CHARACTERS_MAX = 200
_HEX = re.compile(r"(0[xX])?[0-9a-fA-F]{1,20}", re.ASCII)


class SaFileError(ValueError):
    """An SA file that cannot be used; the message is one line: file, SA, field, expectation."""


@dataclass(frozen=True)
class UnsupportedSa:
    """An SA of a file that the engine cannot take: software has to do its work."""

    name: str
    reason: str
    port: int | None = None
    """UDP port of its ESP; None without encapsulation."""


@dataclass(frozen=True)
class SaFile:
    """The SAs of a file, in the order of the file."""

    sas: tuple[SecurityAssociation, ...]
    unsupported: tuple[UnsupportedSa, ...]


@dataclass(frozen=True)
class Entry:
    """An SA of another form of file, with the fields of an SA of this one."""

    values: Mapping[str, Any]
    reason: str | None = None
    """The reason why the engine cannot take it, where the fields do not say it."""


def load(path: Path) -> SaFile:
    """Read an SA file.

    With ESN, ``esn_high`` and ``esn_overlap`` have the values that a driver sets before the
    first packet. Raises ``SaFileError``.
    """
    return parse(path, text_of(path))


def parse(path: Path, text: str) -> SaFile:
    """The SAs of the text of an SA file; messages begin with ``path``. Else as ``load``."""
    document = _parse_json(path, text)
    _check_document(path, document)
    return collect(path, map(Entry, document["sas"]))


def collect(path: Path, entries: Iterable[Entry]) -> SaFile:
    """The SAs of some entries, each with another name and look-up key. Else as ``load``."""
    sas: list[SecurityAssociation] = []
    unsupported: list[UnsupportedSa] = []
    places: dict[object, str] = {}
    for number, entry in enumerate(entries, start=1):
        fields = _Fields(f"{path}: SA {number}", entry.values)
        name = fields.text("name", f"sa{number}")
        fields = _Fields(f"{path}: SA {name}", entry.values)
        _claim(places, ("name", name), name, fields, "name")
        reason = entry.reason or _unsupported_reason(fields, esp_ports(sas))
        if reason is not None:
            port = _encap_port(fields, "dport") if fields.has("encap") else None
            unsupported.append(UnsupportedSa(name, reason, port))
            continue
        sa = _security_association(name, fields)
        _claim(places, (sa.destination, sa.encapsulation, sa.spi), name, fields, "spi")
        sas.append(sa)
    return SaFile(tuple(sas), tuple(unsupported))


class _Fields:
    """The fields of one SA, each checked when it is read; ``where`` begins every message."""

    def __init__(self, where: str, entry: object) -> None:
        if not isinstance(entry, Mapping):
            raise SaFileError(f"{where}: {shown(entry)}, expected an object")
        self.where = where
        self._entry = entry

    def error(self, name: str, expected: str) -> SaFileError:
        """The error of a field that is not as expected."""
        found = shown(self._entry[name]) if name in self._entry else "missing"
        return SaFileError(f"{self.where}: {name}: {found}, expected {expected}")

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._entry.get(name) is not None

    def text(self, name: str, default: str | None = None, expected: str = "a text") -> str:
        """A text of one short printable line, so that it can stand in a message or a table."""
        value = self._entry.get(name, default)
        fits = isinstance(value, str) and 0 < len(value) <= TEXT_CHARACTERS_MAX
        if not isinstance(value, str) or not fits or not value.isprintable():
            raise self.error(name, expected)
        return value

    def integer(self, name: str, default: int, expected: str) -> int:
        """A whole number of any size and sign."""
        value = self._entry.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(name, expected)
        return value

    def boolean(self, name: str) -> bool:
        """True or false; false when it is missing."""
        value = self._entry.get(name, False)
        if not isinstance(value, bool):
            raise self.error(name, "true or false")
        return value

    def hex(self, name: str, *counts: int) -> bytes:
        """The bytes of a hex text, as many as one of ``counts``.

        A message never shows them: they may be a key.
        """
        expected = f"hex of {' or '.join(map(str, counts))} bytes"
        text = self._entry.get(name)
        if text is None:
            raise self.error(name, expected)
        try:
            value = bytes.fromhex(text)
        except (TypeError, ValueError):
            raise SaFileError(f"{self.where}: {name}: not hex, expected {expected}") from None
        if len(value) not in counts:
            raise SaFileError(f"{self.where}: {name}: {len(value)} bytes, expected {expected}")
        return value

    def address(self, name: str) -> Address:
        """An IPv4 or IPv6 address, without its zone: that names an interface, on no wire."""
        text = self.text(name, expected="an IP address")
        try:
            return without_zone(ip_address(text))
        except ValueError:
            raise self.error(name, "an IP address") from None

    def spi(self) -> int:
        """The SPI: a number, or hex text.

        A text that may as well be decimal is refused; 0x makes it hex.
        """
        expected = "a number from 1 to 0xffffffff, as 0x10cbac2f"
        number = value = self._entry.get("spi")
        if isinstance(value, str):
            number = int(value, 16) if _HEX.fullmatch(value) else None
            if number is not None and value.isdigit() and number != int(value):
                raise self.error(
                    "spi", f'"0x{value}" if that is hex, or {int(value)} without quotes if decimal')
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number < 1 << 32:
            raise self.error("spi", expected)
        return number

    def object(self, name: str) -> "_Fields":
        """The fields of an object within the SA."""
        return _Fields(f"{self.where}: {name}", self._entry[name])


def _security_association(name: str, fields: _Fields) -> SecurityAssociation:
    source, destination = fields.address("src"), fields.address("dst")
    if source.version != destination.version:
        raise fields.error("dst", f"an IPv{source.version} address as src")
    outer_family = fields.integer("outer_family", destination.version, "4 or 6")
    if outer_family != destination.version:
        raise fields.error("outer_family", f"{destination.version} as of src and dst")
    icv = ICV_SIZES.get(fields.integer("icv_bits", 0, "64, 96 or 128"))
    if icv is None:
        raise fields.error("icv_bits", "64, 96 or 128")
    window = fields.integer("replay_window", SecurityAssociation.replay_window, "packets")
    initial_seq = fields.integer("initial_seq", 1, "a sequence number")
    extended = fields.boolean("esn")
    if extended and window < 1:
        raise fields.error("replay_window", f"1 to {REPLAY_WINDOW_MAX} with ESN, as the kernel")
    state = esn.driver_state(initial_seq - 1, window) if extended else esn.EsnState(0, False)
    encapsulated = fields.has("encap")
    try:
        return SecurityAssociation(
            name=name,
            spi=fields.spi(),
            source=source,
            destination=destination,
            mode=_mode(fields),
            inner_family=_inner_family(fields, destination.version),
            key=fields.hex("key", *KEY_BYTES),
            salt=fields.hex("salt", SALT_BYTES),
            icv=icv,
            esn=extended,
            esn_high=state.high,
            esn_overlap=state.overlap,
            seqiv_salt=(fields.hex("seqiv_salt", SEQIV_SALT_BYTES)
                        if fields.has("seqiv_salt") else None),
            encapsulation=Encapsulation.UDP if encapsulated else Encapsulation.NONE,
            encap_source_port=_encap_port(fields, "sport"),
            encap_destination_port=_encap_port(fields, "dport"),
            initial_seq=initial_seq,
            replay_window=window,
            device_window=fields.boolean("device_window"),
            tfcpad=fields.integer("tfcpad", 0, "bytes"),
            selector=_selector(fields),
        )
    except SaFileError:
        raise
    except ValueError as error:
        raise SaFileError(f"{fields.where}: {error}") from None


def _mode(fields: _Fields) -> str:
    return fields.text("mode", expected="tunnel or transport")


def _inner_family(fields: _Fields, outer: int) -> int:
    """The IP version inside; a tunnel for which none is given carries both."""
    if fields.has("inner_family"):
        family = fields.integer("inner_family", outer, "4 or 6")
        if family not in (4, 6):
            raise fields.error("inner_family", "4 or 6")
        return family
    return ANY_FAMILY if _mode(fields) == "tunnel" else outer


def _unsupported_reason(fields: _Fields, ports: tuple[int, ...]) -> str | None:
    """The reason why the engine cannot do this SA; None if it can.

    ``ports`` are the UDP ports of ESP of the SAs before this one.
    """
    algorithm = fields.text("alg", expected=f"an algorithm, as {ALGORITHM}")
    if algorithm != ALGORITHM:
        return f"algorithm {algorithm}, the engine does {ALGORITHM}"
    port = _encap_port(fields, "dport")
    if fields.has("encap") and port not in ports and len(ports) == ESP_PORTS:
        return (f"UDP encapsulation to port {port}, the engine looks at {ESP_PORTS} ports: "
                + ", ".join(map(str, ports)))
    return None


def _encap_port(fields: _Fields, name: str) -> int:
    if not fields.has("encap"):
        return UDP_PORT_ESP
    encap = fields.object("encap")
    if encap.text("type", ENCAPSULATION, expected=ENCAPSULATION) != ENCAPSULATION:
        raise encap.error("type", ENCAPSULATION)
    return encap.integer(name, UDP_PORT_ESP, "a UDP port")


def _selector(fields: _Fields) -> Selector | None:
    if not fields.has("selector"):
        return None
    selector = fields.object("selector")
    networks = []
    for name in ("src", "dst"):
        text = selector.text(name, expected="a network, as 10.1.1.0/24")
        try:
            network = ip_network(text, strict=False)
            networks.append(ip_network(
                (without_zone(network.network_address), network.prefixlen)))
        except ValueError:
            raise selector.error(name, "a network, as 10.1.1.0/24") from None
    return Selector(*networks)


def _claim(places: dict[object, str], place: object, name: str, fields: _Fields,
           field: str) -> None:
    """Refuse a ``place`` (name or look-up key) that another SA of the file has taken."""
    if place in places:
        what = "name" if field == "name" else "destination and SPI"
        raise fields.error(field, f"another {what} than SA {places[place]} has")
    places[place] = name


def text_of(path: Path) -> str:
    """The text of an SA file of any form. Raises ``SaFileError``."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SaFileError(f"{path}: {error.strerror}, expected an SA file") from None
    except UnicodeDecodeError:
        raise SaFileError(f"{path}: not text, expected an SA file") from None


def _parse_json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SaFileError(
            f"{path}: line {error.lineno}: {error.msg}, expected JSON") from None
    except (RecursionError, ValueError):
        # This may be JSON, but it is deeper, or has longer numbers, than Python reads.
        raise SaFileError(f"{path}: nested too deep or a number too long, expected JSON") from None


def _check_document(path: Path, document: Any) -> None:
    if not isinstance(document, dict):
        raise SaFileError(f"{path}: {shown(document)}, expected an object with sas")
    schema = document.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise SaFileError(f"{path}: schema: {shown(schema)}, expected {SCHEMA}")
    sas = document.get("sas")
    if not isinstance(sas, list) or not sas:
        found = shown(sas) if "sas" in document else "missing"
        raise SaFileError(f"{path}: sas: {found}, expected a list of one SA or more")


def shown(value: object) -> str:
    """A value as JSON, cut to 60 characters so that a message stays one short line."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
