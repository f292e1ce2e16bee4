"""An SA as the kernel's xfrm has it: struct xfrm_state, with all that a user may ask for.

The fields are the kernel's, because a driver must also refuse what the model's
``SecurityAssociation`` cannot express: other algorithms, wrong key lengths, compression.
"""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any, Protocol

from espnic.model.esp.replay import Window
from espnic.model.interface.codes import ICV_SIZES, IPPROTO_ESP, UDP_PORT_ESP, Encapsulation
from espnic.model.linux.tx_skb import TxSkb
from espnic.model.net.addresses import Address
from espnic.model.sa.sa import ALGORITHM, SALT_BYTES, SecurityAssociation

SEQIV = "seqiv"
UDP_ENCAP_ESPINUDP = 2
XFRM_INF = (1 << 64) - 1
"""The value of a limit that is not set."""
AF_INET, AF_INET6 = 2, 10
FAMILIES = {4: AF_INET, 6: AF_INET6}
"""Address family by IP version."""


class Direction(IntEnum):
    """Direction of an SA, and of the offload that a user asks for (XFRM_DEV_OFFLOAD_IN, _OUT)."""

    IN = 1
    OUT = 2


class OffloadFlags(IntFlag):
    """Flags with which a user asks for offload (XFRM_OFFLOAD_*)."""

    IPV6 = 1
    INBOUND = 2
    PACKET = 4


class KmState(IntEnum):
    """Whether an SA serves (XFRM_STATE_*)."""

    VALID = 1
    EXPIRED = 4
    DEAD = 5


@dataclass(frozen=True)
class Aead:
    """struct xfrm_algo_aead."""

    key: bytes
    """AES key, followed by the 4 bytes of salt."""
    name: str = ALGORITHM
    icv_bits: int = 128


@dataclass(frozen=True)
class UdpEncap:
    """struct xfrm_encap_tmpl."""

    source_port: int = UDP_PORT_ESP
    destination_port: int = UDP_PORT_ESP
    type: int = UDP_ENCAP_ESPINUDP


@dataclass(frozen=True)
class Limits:
    """struct xfrm_lifetime_cfg: the packets and bytes after which an SA is to end.

    At a soft limit it is to end soon, at a hard limit at once.
    """

    soft_packets: int = XFRM_INF
    soft_bytes: int = XFRM_INF
    hard_packets: int = XFRM_INF
    hard_bytes: int = XFRM_INF


@dataclass
class Usage:
    """struct xfrm_lifetime_cur: packets and bytes so far."""

    packets: int = 0
    bytes: int = 0


class XfrmDevOps(Protocol):
    """struct xfrmdev_ops: the IPsec callbacks of a driver. Errors are ``LinuxError``s."""

    async def state_add(self, x: "XfrmState") -> None:
        """Make the device ready for the SA, and set ``x.offload.handle``."""

    async def state_delete(self, x: "XfrmState") -> None:
        """Let no look-up find the SA any more; frames may still be in flight."""

    async def state_free(self, x: "XfrmState") -> None:
        """Release the SA's keys: the last reference to it is gone."""

    def offload_ok(self, x: "XfrmState", skb: TxSkb) -> bool:
        """Whether the device can do this packet."""

    def advance_esn(self, x: "XfrmState") -> None:
        """Note that the window or counter has moved.

        Called in atomic context: what takes time is put off.
        """

    async def update_stats(self, x: "XfrmState") -> None:
        """Bring the SA's statistics up to date."""


class OffloadDevice(Protocol):
    """The part of struct net_device that an SA needs of the device it is offloaded to."""

    name: str
    ops: XfrmDevOps | None
    """The driver's callbacks; None for a device without IPsec offload."""


@dataclass
class Offload:
    """struct xfrm_dev_offload: the device that an SA is offloaded to, as it knows the SA."""

    device: OffloadDevice
    packet: bool = False
    """Whether packet offload was asked for; else crypto offload."""
    handle: int = 0
    """The device's handle of the SA. 0: the device does not have the SA (any more), and software
    does its work."""
    usage: Usage = field(default_factory=Usage)
    """The use that was known before the device began to count, and what it had counted when it was
    asked last."""


@dataclass(eq=False)
class XfrmState:
    """One SA. Sequence numbers have 64 bits here, the kernel's two halves in one."""

    source: Address
    destination: Address
    spi: int
    direction: Direction
    aead: Aead | None
    family: int = AF_INET
    protocol: int = IPPROTO_ESP
    mode: str = "tunnel"
    inner_family: int = 4
    """IP version inside; ``ANY_FAMILY`` with the flag ``af-unspec``."""
    geniv: str | None = SEQIV
    seqiv_salt: bytes | None = None
    authentication: str | None = None
    encryption: str | None = None
    compression: str | None = None
    encap: UdpEncap | None = None
    tfcpad: int = 0
    if_id: int = 0
    mark: int = 0
    """Mark of the packets that it is for, in the bits of ``mark_mask``."""
    mark_mask: int = 0
    esn: bool = False
    replay_window: int = SecurityAssociation.replay_window
    """Size of the window in packets; 0: no replay protection."""
    nested: bool = False
    """Whether its packets go through another SA after it (a bundle)."""
    limits: Limits = Limits()
    initial_seq: int = 1
    name: str = ""

    state: KmState = KmState.VALID
    dying: bool = False
    """Whether the key manager has been told of the soft limit."""
    offload: Offload | None = None
    oseq: int = 0
    """Outbound: the last sequence number that was taken."""
    window: Window = field(init=False)
    """Inbound: the window of the sequence numbers that the stack has received."""
    current: Usage = field(default_factory=Usage)
    """Use as the stack has counted it."""
    replay_failures: int = 0
    integrity_failures: int = 0

    def __post_init__(self) -> None:
        self.oseq = self.initial_seq - 1
        self.window = Window(self.replay_window, self.esn, self.initial_seq - 1)

    @property
    def used(self) -> Usage:
        """The use that is known of it.

        The device counts what it opens and seals, the stack what it hands down and gets. Either
        may know of more than the other; the higher count is taken.
        """
        counts = [self.current, self.offload.usage if self.offload else Usage()]
        return Usage(max(count.packets for count in counts), max(count.bytes for count in counts))

    @property
    def left(self) -> Limits:
        """The rest of its limits; 0 for a limit that is reached."""
        used = self.used
        return Limits(
            soft_packets=_rest(self.limits.soft_packets, used.packets),
            soft_bytes=_rest(self.limits.soft_bytes, used.bytes),
            hard_packets=_rest(self.limits.hard_packets, used.packets),
            hard_bytes=_rest(self.limits.hard_bytes, used.bytes))

    def takes_mark(self, mark: int) -> bool:
        """Whether it is for packets with this mark."""
        return mark & self.mark_mask == self.mark

    def is_found_for(self, other: "XfrmState") -> bool:
        """Whether the kernel takes it for the same SA as ``other``, which is to be added or
        updated (__xfrm_state_locate)."""
        return (self.direction, self.destination, self.spi, self.protocol) == (
            other.direction, other.destination, other.spi, other.protocol
        ) and self.takes_mark(other.mark & other.mark_mask)

    @property
    def encapsulation(self) -> Encapsulation:
        """The protocol that carries its ESP."""
        return Encapsulation.UDP if self.encap else Encapsulation.NONE

    @property
    def association(self) -> SecurityAssociation:
        """The SA in the form that cryptography and framing use.

        Raises ``ValueError`` for an SA without AEAD, or with values that a
        ``SecurityAssociation`` cannot have.
        """
        if self.aead is None:
            raise ValueError(f"SA {self.name}: no AEAD, expected {ALGORITHM}")
        icv = ICV_SIZES.get(self.aead.icv_bits)
        if icv is None:
            raise ValueError(
                f"SA {self.name}: ICV of {self.aead.icv_bits} bits, expected 64, 96 or 128")
        key = self.aead.key
        return SecurityAssociation(
            spi=self.spi, source=self.source, destination=self.destination,
            key=key[:-SALT_BYTES], salt=key[-SALT_BYTES:], name=self.name, mode=self.mode,
            inner_family=self.inner_family, icv=icv,
            esn=self.esn, seqiv_salt=self.seqiv_salt, encapsulation=self.encapsulation,
            encap_source_port=self.encap.source_port if self.encap else UDP_PORT_ESP,
            encap_destination_port=self.encap.destination_port if self.encap else UDP_PORT_ESP,
            initial_seq=self.initial_seq, replay_window=self.replay_window, tfcpad=self.tfcpad)


def _rest(limit: int, used: int) -> int:
    """Remaining part of a limit; an unset limit stays unset."""
    return limit if limit == XFRM_INF else max(limit - used, 0)


def state_of(sa: SecurityAssociation, direction: Direction, **more: object) -> XfrmState:
    """The xfrm state of an SA; ``more`` are fields of ``XfrmState`` that only xfrm has."""
    encap = None
    if sa.encapsulation == Encapsulation.UDP:
        encap = UdpEncap(sa.encap_source_port, sa.encap_destination_port)
    fields: dict[str, Any] = {
        "source": sa.source, "destination": sa.destination, "spi": sa.spi,
        "direction": direction, "aead": Aead(sa.key + sa.salt, icv_bits=8 * sa.icv.bytes),
        "family": FAMILIES[sa.outer_family], "mode": sa.mode, "inner_family": sa.inner_family,
        "seqiv_salt": sa.seqiv_salt, "encap": encap, "tfcpad": sa.tfcpad, "esn": sa.esn,
        "replay_window": sa.replay_window, "initial_seq": sa.initial_seq, "name": sa.name,
    }
    return XfrmState(**fields | more)


def check_expire(x: XfrmState, expired: "ExpireUpcall") -> bool:
    """Whether an SA may serve one more packet (xfrm_state_check_expire).

    Tells the key manager of a soft limit once, and of a hard one, which ends the SA.
    """
    if x.current.packets >= x.limits.hard_packets or x.current.bytes >= x.limits.hard_bytes:
        expire(x, True, expired)
        return False
    if x.current.packets >= x.limits.soft_packets or x.current.bytes >= x.limits.soft_bytes:
        expire(x, False, expired)
    return True


def expire(x: XfrmState, hard: bool, expired: "ExpireUpcall") -> None:
    """Tell the key manager of a limit (km_state_expired), each kind once, whoever has seen it."""
    if x.state != KmState.VALID or (x.dying and not hard):
        return
    x.dying = True
    if hard:
        x.state = KmState.EXPIRED
    expired(x, hard)


class ExpireUpcall:
    """The call by which the key manager is told of limits; keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[XfrmState, bool]] = []
        """SAs, each with whether the limit reached is a hard one."""

    def __call__(self, x: XfrmState, hard: bool) -> None:
        self.told.append((x, hard))
