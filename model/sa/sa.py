"""Security associations (RFC 4301, 4.4.2), and the SA commands made of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from espnic.model.interface.codes import (
    ESP_IV_BYTES,
    KEY_BYTES,
    UDP_PORT_ESP,
    Encapsulation,
    IcvSize,
    KeySize,
    ReplayWindow,
    SaDirection,
    SaOperation,
    SaSelect,
)
from espnic.model.net.addresses import Address, Network, address_of, lookup_key
from espnic.model.sa.lifetime import Limits, limits_of

ALGORITHM = "rfc4106(gcm(aes))"
"""Linux's name of the one algorithm that an SA can have."""
MODES = ("tunnel", "transport")
ANY_FAMILY = 0
"""Inner family of an SA that carries IPv4 and IPv6 (Linux's ``af-unspec``)."""
SALT_BYTES = 4
"""Length of the salt of RFC 4106."""
SEQIV_SALT_BYTES = ESP_IV_BYTES
"""Length of the salt of the IV."""
REPLAY_WINDOW_MAX = 4096
"""Packets of the largest replay window that software keeps (Linux's XFRMA_REPLAY_ESN_MAX)."""
DEVICE_WINDOWS = {size.packets: size for size in ReplayWindow if size}
"""Sizes in packets of the replay windows that a device keeps."""


@dataclass(frozen=True)
class Selector:
    """The clear packets that an SA is for, by source and destination (RFC 4301, 4.4.1.1)."""

    source: Network
    destination: Network

    def matches(self, source: Address, destination: Address) -> bool:
        """Whether the SA is for packets between these addresses."""
        return source in self.source and destination in self.destination


@dataclass(frozen=True)
class SecurityAssociation:
    """One AES-GCM SA (RFC 4106), with all that the device and the software beside it need.

    It has no direction: the same object gives the sender's transmit SA and its peer's
    receive SA. Raises ``ValueError``, one line that names the field, for a value that
    no SA can have.
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
    """Name in messages and files."""
    mode: str = "tunnel"
    """"tunnel" or "transport"."""
    inner_family: int = 4
    """IP version of the inner packets, 4, 6, or ``ANY_FAMILY`` for both; in transport mode that of
    the outer addresses."""
    icv: IcvSize = IcvSize.ICV16
    esn: bool = False
    """Extended (64-bit) sequence numbers."""
    esn_high: int = 0
    """Receive: high half of the sequence number; see ``model.esp.esn``."""
    esn_overlap: bool = False
    """Receive: a sequence number below 2^31 belongs to ``esn_high + 1``."""
    seqiv_salt: bytes | None = None
    """Transmit: 8 bytes whose XOR with the sequence number is the IV; None: the SA cannot send."""
    encapsulation: Encapsulation = Encapsulation.NONE
    encap_source_port: int = UDP_PORT_ESP
    encap_destination_port: int = UDP_PORT_ESP
    initial_seq: int = 1
    """Sequence number of the first packet. Transmit: all below count as sealed in the device."""
    replay_window: int = 32
    """Size of the replay window in packets."""
    device_window: bool = False
    """Receive: whether the device keeps the replay window. Then ``initial_seq`` - 1 and all numbers
    below count as received, and ``esn_high`` and ``esn_overlap`` do not matter."""
    unguarded: bool = False
    """Transmit: whether the device seals a sequence number as often as it is asked to."""
    limits: Limits = Limits()
    """Limits that the device enforces."""
    tfcpad: int = 0
    """Bytes to which tunnel packets are padded before encryption; 0: no padding."""
    selector: Selector | None = None
    """Clear packets that the SA is for; None: not restricted."""

    def __post_init__(self) -> None:
        self._expect("spi", self.spi, 1 <= self.spi < 1 << 32, "1 to 0xffffffff")
        self._expect("mode", self.mode, self.mode in MODES, "tunnel or transport")
        self._expect("destination", self.destination,
                     self.destination.version == self.source.version,
                     f"an IPv{self.source.version} address as the source")
        self._expect("inner_family", self.inner_family, self.inner_family in (4, 6, ANY_FAMILY),
                     "4 or 6, or 0 for both")
        self._expect("inner_family", self.inner_family,
                     self.mode == "tunnel" or self.inner_family == self.outer_family,
                     f"{self.outer_family} as outside in transport mode")
        self._expect("key", f"{len(self.key)} bytes",
                     len(self.key) in KEY_BYTES, "16, 24 or 32 bytes")
        self._expect("salt", f"{len(self.salt)} bytes", len(self.salt) == SALT_BYTES,
                     f"{SALT_BYTES} bytes")
        if self.seqiv_salt is not None:
            self._expect("seqiv_salt", f"{len(self.seqiv_salt)} bytes",
                         len(self.seqiv_salt) == SEQIV_SALT_BYTES, f"{SEQIV_SALT_BYTES} bytes")
        self._expect("esn_high", self.esn_high, 0 <= self.esn_high < 1 << 32, "0 to 2^32 - 1")
        for field in ("encap_source_port", "encap_destination_port", "tfcpad"):
            value = getattr(self, field)
            self._expect(field, value, 0 <= value < 1 << 16, "0 to 65535")
        bits = self.sequence_bits
        self._expect("initial_seq", self.initial_seq, 1 <= self.initial_seq < 1 << bits,
                     f"1 to 2^{bits} - 1")
        self._expect("replay_window", self.replay_window,
                     0 <= self.replay_window <= REPLAY_WINDOW_MAX, f"0 to {REPLAY_WINDOW_MAX}")
        if self.device_window:
            self._expect("replay_window", self.replay_window,
                         self.replay_window in DEVICE_WINDOWS,
                         f"one of a device's windows: {', '.join(map(str, DEVICE_WINDOWS))}")

    @staticmethod
    def _expect(field: str, value: object, good: bool, expected: str) -> None:
        if not good:
            raise ValueError(f"{field}: {value}, expected {expected}")

    def carries(self, version: int) -> bool:
        """Whether packets of an IP version, 4 or 6, may go inside."""
        return self.inner_family in (version, ANY_FAMILY)

    @property
    def outer_family(self) -> int:
        """IP version outside, 4 or 6."""
        return self.destination.version

    @property
    def sequence_bits(self) -> int:
        """Width of its sequence numbers in bits: 64 with ESN, else 32."""
        return 64 if self.esn else 32

    @property
    def key_size(self) -> KeySize:
        """The KeySize of its key."""
        return next(size for size in KeySize if size.bytes == len(self.key))


def command_values(
    operation: SaOperation, direction: SaDirection, handle: int,
    sa: SecurityAssociation | None = None, select: SaSelect = SaSelect.NOTHING,
) -> dict[str, int]:
    """The fields of SA_COMMAND, as a driver fills them.

    ADD needs the SA. MODIFY needs the SA as it is to be, and ``select``, what to change of it. The
    others need the handle only.
    """
    values = {"operation": int(operation), "direction": int(direction), "sa": handle,
              "select": int(select)}
    if sa is None:
        return values
    if direction == SaDirection.TX:
        values["sequence"] = sa.initial_seq - 1
    elif sa.device_window:
        values |= {"replay_window": int(DEVICE_WINDOWS[sa.replay_window]),
                   "sequence": sa.initial_seq - 1}
    return {
        **values,
        "key_size": int(sa.key_size),
        "icv_size": int(sa.icv),
        "esn": int(sa.esn),
        "esn_overlap": int(sa.esn_overlap),
        "unguarded": int(sa.unguarded),
        "esn_high": sa.esn_high,
        **lookup_key(sa.destination, sa.encapsulation, sa.spi),
        **sa.limits.fields(),
        "salt": int.from_bytes(sa.salt, "big"),
        "seqiv_salt": int.from_bytes(sa.seqiv_salt or bytes(SEQIV_SALT_BYTES), "big"),
        "key": int.from_bytes(sa.key, "little"),
    }


def esp_ports(sas: Iterable[SecurityAssociation]) -> tuple[int, ...]:
    """The UDP ports to which the packets of these SAs are sent, each once; 0 is no port."""
    ports = (sa.encap_destination_port for sa in sas if sa.encapsulation == Encapsulation.UDP)
    return tuple(dict.fromkeys(port for port in ports if port))


def from_command(values: Mapping[str, int]) -> SecurityAssociation:
    """The SA in the fields of an ADD command; fields that only software knows have their defaults.

    ``values`` are fields of SA_COMMAND; those not given are 0. Raises ``ValueError`` for fields
    that no SA can have, such as an IPv4 destination above 32 bits or, for transmit and with a
    replay window, a ``sequence`` that no number can follow.
    """
    window = ReplayWindow(values.get("replay_window", 0))
    numbered = window or values.get("direction", 0) == SaDirection.TX
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
        unguarded=bool(values.get("unguarded", 0)),
        seqiv_salt=values.get("seqiv_salt", 0).to_bytes(SEQIV_SALT_BYTES, "big"),
        encapsulation=Encapsulation(values.get("encapsulation", 0)),
        device_window=window != ReplayWindow.NONE,
        replay_window=window.packets or SecurityAssociation.replay_window,
        initial_seq=values.get("sequence", 0) + 1 if numbered else 1,
        limits=limits_of(values),
    )
