"""Security associations and the device's tables of them (RFC 4301, 4.4.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from model.codes import (
    UDP_PORT_ESP,
    Encapsulation,
    IcvSize,
    KeySize,
    ReplayWindow,
    SaDirection,
    SaOperation,
    SaResult,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MODES = ("tunnel", "transport")
SALT_BYTES = 4
SEQIV_SALT_BYTES = 8
DEVICE_WINDOWS = {size.packets: size for size in ReplayWindow if size}
"""Sizes in packets of the replay windows that a device keeps."""


@dataclass(frozen=True)
class Selector:
    """Which clear packets an SA is for, by their source and destination (RFC 4301, 4.4.1.1)."""

    source: Network
    destination: Network

    def matches(self, source: Address, destination: Address) -> bool:
        """Whether a packet between these addresses is one of them."""
        return source in self.source and destination in self.destination


@dataclass(frozen=True)
class SecurityAssociation:
    """One AES-GCM SA (RFC 4106), with what the device and what the software beside it needs.

    It has no direction: the same object makes a transmit SA of the sender and a
    receive SA of its peer. Raises ``ValueError`` with one line that names the
    field for a value that is no SA's.
    """

    spi: int
    """1 to 2^32 - 1."""
    source: Address
    """Outer source address."""
    destination: Address
    """Outer destination address, of the same family."""
    key: bytes
    """AES key, 16, 24 or 32 bytes."""
    salt: bytes
    """First 4 bytes of the nonce."""
    name: str = ""
    mode: str = "tunnel"
    """"tunnel" or "transport"."""
    inner_family: int = 4
    """IP version of the packets inside, 4 or 6; the outer one in transport mode."""
    icv: IcvSize = IcvSize.ICV16
    esn: bool = False
    """Extended (64-bit) sequence numbers."""
    esn_high: int = 0
    """Receive: high half of the sequence number, see ``model.esn``."""
    esn_overlap: bool = False
    """Receive: a sequence number below 2^31 belongs to ``esn_high + 1``."""
    seqiv_salt: bytes | None = None
    """Transmit: 8 bytes that are XORed to the sequence number to give the IV."""
    encapsulation: Encapsulation = Encapsulation.NONE
    encap_source_port: int = UDP_PORT_ESP
    encap_destination_port: int = UDP_PORT_ESP
    initial_seq: int = 1
    """Sequence number of the first packet."""
    replay_window: int = 32
    """Packets."""
    device_window: bool = False
    """Receive: the device keeps the replay window; then ``initial_seq`` - 1 and all numbers below
    count as received, and ``esn_high`` and ``esn_overlap`` do not matter."""
    tfcpad: int = 0
    """Tunnel packets are padded to this many bytes before encryption; 0: not at all."""
    selector: Selector | None = None

    def __post_init__(self) -> None:
        self._expect("spi", self.spi, 1 <= self.spi < 1 << 32, "1 to 0xffffffff")
        self._expect("mode", self.mode, self.mode in MODES, "tunnel or transport")
        self._expect("destination", self.destination,
                     self.destination.version == self.source.version,
                     f"an IPv{self.source.version} address as the source")
        self._expect("inner_family", self.inner_family, self.inner_family in (4, 6), "4 or 6")
        self._expect("inner_family", self.inner_family,
                     self.mode == "tunnel" or self.inner_family == self.outer_family,
                     f"{self.outer_family} as outside in transport mode")
        self._expect("key", f"{len(self.key)} bytes",
                     len(self.key) in {size.bytes for size in KeySize}, "16, 24 or 32 bytes")
        self._expect("salt", f"{len(self.salt)} bytes", len(self.salt) == SALT_BYTES,
                     f"{SALT_BYTES} bytes")
        if self.seqiv_salt is not None:
            self._expect("seqiv_salt", f"{len(self.seqiv_salt)} bytes",
                         len(self.seqiv_salt) == SEQIV_SALT_BYTES, f"{SEQIV_SALT_BYTES} bytes")
        self._expect("esn_high", self.esn_high, 0 <= self.esn_high < 1 << 32, "0 to 2^32 - 1")
        for field in ("encap_source_port", "encap_destination_port", "tfcpad"):
            value = getattr(self, field)
            self._expect(field, value, 0 <= value < 1 << 16, "0 to 65535")
        limit = 64 if self.esn else 32
        self._expect("initial_seq", self.initial_seq, 1 <= self.initial_seq < 1 << limit,
                     f"1 to 2^{limit} - 1")
        self._expect("replay_window", self.replay_window, 0 <= self.replay_window <= 4096,
                     "0 to 4096")
        if self.device_window:
            self._expect("replay_window", self.replay_window,
                         self.replay_window in DEVICE_WINDOWS,
                         "32, 64, 128, 256, 512 or 1024 of a device's window")

    @staticmethod
    def _expect(field: str, value: object, good: bool, expected: str) -> None:
        if not good:
            raise ValueError(f"{field}: {value}, expected {expected}")

    @property
    def outer_family(self) -> int:
        """IP version outside, 4 or 6."""
        return self.destination.version

    @property
    def key_size(self) -> KeySize:
        return next(size for size in KeySize if size.bytes == len(self.key))


def lookup_key(destination: Address, encapsulation: Encapsulation, spi: int) -> dict[str, int]:
    """The fields of LOOKUP_KEY."""
    return {
        "destination": int(destination),
        "ipv6": int(destination.version == 6),
        "encapsulation": int(encapsulation),
        "spi": spi,
    }


def command_values(
    operation: SaOperation, direction: SaDirection, handle: int,
    sa: SecurityAssociation | None = None,
) -> dict[str, int]:
    """The fields of SA_COMMAND, as a driver fills them.

    ADD and MODIFY need the SA, DELETE and READ the handle only.
    """
    values = {"operation": int(operation), "direction": int(direction), "sa": handle}
    if sa is None:
        return values
    if sa.device_window and direction == SaDirection.RX:
        values |= {"replay_window": int(DEVICE_WINDOWS[sa.replay_window]),
                   "sequence": sa.initial_seq - 1}
    return {
        **values,
        "key_size": int(sa.key_size),
        "icv_size": int(sa.icv),
        "esn": int(sa.esn),
        "esn_overlap": int(sa.esn_overlap),
        "esn_high": sa.esn_high,
        **lookup_key(sa.destination, sa.encapsulation, sa.spi),
        "salt": int.from_bytes(sa.salt, "big"),
        "seqiv_salt": int.from_bytes(sa.seqiv_salt or bytes(SEQIV_SALT_BYTES), "big"),
        "key": int.from_bytes(sa.key, "little"),
    }


def from_command(values: Mapping[str, int]) -> SecurityAssociation:
    """The SA of an ADD command's fields; what only software knows has its default.

    Raises ``ValueError`` for fields that are no SA's, such as an IPv4
    destination above 32 bits, or with a replay window a ``sequence`` that none can follow.
    """
    window = ReplayWindow(values.get("replay_window", 0))
    key_size = KeySize(values.get("key_size", 0))
    destination = address_of(values.get("destination", 0), values.get("ipv6", 0))
    return SecurityAssociation(
        spi=values.get("spi", 0),
        source=type(destination)(0),
        destination=destination,
        key=values.get("key", 0).to_bytes(KeySize.AES256.bytes, "little")[:key_size.bytes],
        salt=values.get("salt", 0).to_bytes(SALT_BYTES, "big"),
        inner_family=destination.version,
        icv=IcvSize(values.get("icv_size", 0)),
        esn=bool(values.get("esn", 0)),
        esn_high=values.get("esn_high", 0),
        esn_overlap=bool(values.get("esn_overlap", 0)),
        seqiv_salt=values.get("seqiv_salt", 0).to_bytes(SEQIV_SALT_BYTES, "big"),
        encapsulation=Encapsulation(values.get("encapsulation", 0)),
        device_window=window != ReplayWindow.NONE,
        replay_window=window.packets or SecurityAssociation.replay_window,
        initial_seq=values.get("sequence", 0) + 1 if window else 1,
    )


def address_of(number: int, ipv6: int) -> Address:
    """The address of the fields ``destination`` and ``ipv6`` of LOOKUP_KEY."""
    return IPv6Address(number) if ipv6 else IPv4Address(number)


class SaTable:
    """The device's SAs of one direction, by handle and, when receiving, by look-up key.

    Handles are 1 to ``size - 1``; 0 means none. Only a receive table looks SAs
    up, so only there two SAs of one destination, SPI and protocol are refused.
    The commands return a ``SaResult``, with the first of these that applies:

    - EINVAL: handle 0 or not below ``size``; modify on a transmit table;
    - ENOENT (delete, modify, read): the handle is not in use;
    - EINVAL (modify): the SA has no ESN, or the device keeps its replay window;
    - EEXIST (add): the handle is in use, or the look-up key is.

    ENOSPC never comes: the hardware's look-up table may have no place for a look-up
    key before the handles are used up, this one always has.
    """

    def __init__(self, size: int, direction: SaDirection = SaDirection.RX) -> None:
        self.size = size
        self.direction = direction
        self._sas: dict[int, SecurityAssociation] = {}
        self._handles: dict[tuple[Address, Encapsulation, int], int] = {}

    def add(self, handle: int, sa: SecurityAssociation) -> SaResult:
        """Take ``sa`` under a free handle."""
        if not self._in_range(handle):
            return SaResult.EINVAL
        if handle in self._sas:
            return SaResult.EEXIST
        if self.direction == SaDirection.RX:
            if self._key(sa) in self._handles:
                return SaResult.EEXIST
            self._handles[self._key(sa)] = handle
        self._sas[handle] = sa
        return SaResult.OK

    def delete(self, handle: int) -> SaResult:
        """Forget an SA; its handle is free again."""
        result = self._check_in_use(handle)
        if result == SaResult.OK:
            sa = self._sas.pop(handle)
            self._handles.pop(self._key(sa), None)
        return result

    def modify_esn(self, handle: int, high: int, overlap: bool) -> SaResult:
        """Set the ESN high half and overlap flag of a receive SA, both at once."""
        if self.direction == SaDirection.TX:
            return SaResult.EINVAL
        result = self._check_in_use(handle)
        sa = self._sas.get(handle)
        if sa is not None and (not sa.esn or sa.device_window):
            result = SaResult.EINVAL
        if result == SaResult.OK:
            self._sas[handle] = replace(self._sas[handle], esn_high=high, esn_overlap=overlap)
        return result

    def read(self, handle: int) -> tuple[SaResult, SecurityAssociation | None]:
        """The SA of a handle, None unless the result is OK."""
        result = self._check_in_use(handle)
        return result, self._sas.get(handle) if result == SaResult.OK else None

    def get(self, handle: int) -> SecurityAssociation | None:
        """The SA of a handle as the datapath reads it: None for any handle not in use."""
        return self._sas.get(handle)

    def look_up(self, destination: Address, encapsulation: Encapsulation, spi: int) -> int:
        """Handle of the SA with this look-up key, 0 when there is none."""
        return self._handles.get((destination, encapsulation, spi), 0)

    @staticmethod
    def _key(sa: SecurityAssociation) -> tuple[Address, Encapsulation, int]:
        return sa.destination, sa.encapsulation, sa.spi

    def _in_range(self, handle: int) -> bool:
        return 1 <= handle < self.size

    def _check_in_use(self, handle: int) -> SaResult:
        if not self._in_range(handle):
            return SaResult.EINVAL
        return SaResult.OK if handle in self._sas else SaResult.ENOENT
