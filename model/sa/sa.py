"""Security associations and the device's tables of them (RFC 4301, 4.4.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from espnic.model.interface.codes import (
    UDP_PORT_ESP,
    Encapsulation,
    IcvSize,
    KeySize,
    ReplayWindow,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
)
from espnic.model.net.addresses import Address, Network, address_of, lookup_key
from espnic.model.sa.lifetime import HARD_FIELDS, SOFT_FIELDS, Lifetime, Limits, limits_of

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
    """Receive: high half of the sequence number, see ``model.esp.esn``."""
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
    limits: Limits = Limits()
    """Lifetime that the device holds it to."""
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


def command_values(
    operation: SaOperation, direction: SaDirection, handle: int,
    sa: SecurityAssociation | None = None, select: SaSelect = SaSelect.NOTHING,
) -> dict[str, int]:
    """The fields of SA_COMMAND, as a driver fills them.

    ADD needs the SA, MODIFY the SA as it shall be and what to change of it, the others the
    handle only.
    """
    values = {"operation": int(operation), "direction": int(direction), "sa": handle,
              "select": int(select)}
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
        **sa.limits.fields(),
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
        limits=limits_of(values),
    )


class SaTable:
    """The device's SAs of one direction, by handle and, when receiving, by look-up key.

    Handles are 1 to ``size - 1``; 0 means none. Only a receive table looks SAs
    up, so only there two SAs of one destination, SPI and protocol are refused.

    A deleted SA is found by no packet and its look-up key is free, but its handle stays taken
    until it is freed, so that packets in flight never meet another SA under their handle.

    The commands return a ``SaResult``, with the first of these that applies:

    - EINVAL: handle 0 or not below ``size``; modify of nothing, or of ESN on a transmit table;
    - ENOENT: the handle is not taken, or (delete, modify) its SA is deleted;
    - EBUSY (free): the SA is not deleted;
    - EINVAL (modify ESN): the SA has no ESN, or the device keeps its replay window;
    - EEXIST (add): the handle is taken, or the look-up key is.

    ENOSPC never comes: the hardware's look-up table may have no place for a look-up
    key before the handles are used up, this one always has. Nor does EBUSY because of
    packets in flight: here none is.
    """

    def __init__(self, size: int, direction: SaDirection = SaDirection.RX) -> None:
        self.size = size
        self.direction = direction
        self._sas: dict[int, SecurityAssociation] = {}
        self._lifetimes: dict[int, Lifetime] = {}
        self._deleted: set[int] = set()
        self._handles: dict[tuple[Address, Encapsulation, int], int] = {}

    @property
    def empty(self) -> bool:
        """Whether no look-up finds an SA, of a receive table."""
        return not self._handles

    def add(self, handle: int, sa: SecurityAssociation) -> SaResult:
        """Take ``sa`` under a free handle; it has served nothing yet."""
        if not self._in_range(handle):
            return SaResult.EINVAL
        if handle in self._sas:
            return SaResult.EEXIST
        if self.direction == SaDirection.RX:
            if self._key(sa) in self._handles:
                return SaResult.EEXIST
            self._handles[self._key(sa)] = handle
        self._sas[handle] = sa
        self._lifetimes[handle] = Lifetime(sa.limits)
        return SaResult.OK

    def delete(self, handle: int) -> SaResult:
        """Let no packet find an SA any more."""
        result = self._check_in_use(handle)
        if result == SaResult.OK:
            self._deleted.add(handle)
            self._handles.pop(self._key(self._sas[handle]), None)
        return result

    def free(self, handle: int) -> SaResult:
        """Forget a deleted SA; its handle is free again."""
        result = self._check_taken(handle)
        if result == SaResult.OK and handle not in self._deleted:
            result = SaResult.EBUSY
        if result == SaResult.OK:
            self._deleted.remove(handle)
            del self._sas[handle], self._lifetimes[handle]
        return result

    def flush(self) -> None:
        """Forget every SA."""
        for kept in (self._sas, self._lifetimes, self._deleted, self._handles):
            kept.clear()

    def modify(self, handle: int, select: SaSelect, values: Mapping[str, int]) -> SaResult:
        """Change the selected fields of an SA, all at once; ``values`` are those of SA_COMMAND."""
        if not select or SaSelect.ESN in select and self.direction == SaDirection.TX:
            return SaResult.EINVAL
        result = self._check_in_use(handle)
        if result != SaResult.OK:
            return result
        sa, lifetime = self._sas[handle], self._lifetimes[handle]
        if SaSelect.ESN in select:
            if not sa.esn or sa.device_window:
                return SaResult.EINVAL
            self._sas[handle] = replace(
                sa, esn_high=values.get("esn_high", 0),
                esn_overlap=bool(values.get("esn_overlap", 0)))
        for group, names in ((SaSelect.SOFT, SOFT_FIELDS), (SaSelect.HARD, HARD_FIELDS)):
            if group in select:
                changed = {name: values.get(name, 0) for name in names}
                lifetime.limits = replace(lifetime.limits, **changed)
        return SaResult.OK

    def read(self, handle: int) -> tuple[SaResult, SecurityAssociation | None]:
        """The SA of a handle, deleted or not; None unless the result is OK."""
        result = self._check_taken(handle)
        return result, self._sas.get(handle) if result == SaResult.OK else None

    def get(self, handle: int) -> SecurityAssociation | None:
        """The SA of a handle as the datapath reads it: None for any handle not in use."""
        return None if handle in self._deleted else self._sas.get(handle)

    def lifetime(self, handle: int) -> Lifetime:
        """What the SA of a taken handle has served. Raises ``KeyError`` for any other."""
        return self._lifetimes[handle]

    def look_up(self, destination: Address, encapsulation: Encapsulation, spi: int) -> int:
        """Handle of the SA with this look-up key, 0 when there is none."""
        return self._handles.get((destination, encapsulation, spi), 0)

    @staticmethod
    def _key(sa: SecurityAssociation) -> tuple[Address, Encapsulation, int]:
        return sa.destination, sa.encapsulation, sa.spi

    def _in_range(self, handle: int) -> bool:
        return 1 <= handle < self.size

    def _check_taken(self, handle: int) -> SaResult:
        if not self._in_range(handle):
            return SaResult.EINVAL
        return SaResult.OK if handle in self._sas else SaResult.ENOENT

    def _check_in_use(self, handle: int) -> SaResult:
        result = self._check_taken(handle)
        return SaResult.ENOENT if handle in self._deleted else result
