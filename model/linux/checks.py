"""The checks by which ``state_add`` refuses an SA before the device is asked.

-EINVAL: the SA contradicts itself, and fails. -EOPNOTSUPP: the device cannot do it, so
software does. The first check that applies gives the error.
"""

import errno
from collections.abc import Callable
from dataclasses import asdict, dataclass

from espnic.model.interface.codes import ICV_SIZES, IPPROTO_ESP, KEY_BYTES
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.hardware import Identity
from espnic.model.linux.xfrm import (
    AF_INET,
    AF_INET6,
    FAMILIES,
    SEQIV,
    UDP_ENCAP_ESPINUDP,
    XFRM_INF,
    Direction,
    XfrmState,
)
from espnic.model.sa.sa import (
    ALGORITHM,
    ANY_FAMILY,
    MODES,
    REPLAY_WINDOW_MAX,
    SALT_BYTES,
    SEQIV_SALT_BYTES,
)


@dataclass(frozen=True)
class Check:
    """A check of an SA: its errno, the words that go with it, and the test itself."""

    number: int
    """The errno, positive."""
    reason: str
    wrong: Callable[[XfrmState, Identity], object]
    """True in a boolean sense when the check applies to an SA on a device of this identity."""


def _sends(x: XfrmState) -> bool:
    return x.direction == Direction.OUT


def _fits(bits: int, *numbers: int) -> bool:
    """Whether a kernel's field of ``bits`` bits can hold the numbers."""
    return all(0 <= number < 1 << bits for number in numbers)


def _not_above(soft: int, hard: int) -> bool:
    """Whether there are both limits and the hard one is not above the soft one."""
    return XFRM_INF not in (soft, hard) and soft >= hard


def _key_bytes(x: XfrmState) -> int:
    """Length of the AES key in bytes, without the salt after it."""
    return len(x.aead.key) - SALT_BYTES if x.aead else 0


CHECKS = (
    Check(errno.EINVAL, "packet offload: only crypto offload is done",
          lambda x, _: x.offload is not None and x.offload.packet),
    Check(errno.EINVAL, "family other than IPv4 and IPv6",
          lambda x, _: x.family not in (AF_INET, AF_INET6)),
    Check(errno.EINVAL, "protocol other than ESP", lambda x, _: x.protocol != IPPROTO_ESP),
    Check(errno.EINVAL, "compression", lambda x, _: x.compression),
    Check(errno.EINVAL, "authentication algorithm beside an AEAD",
          lambda x, _: x.aead and x.authentication),
    Check(errno.EINVAL, "key without its salt", lambda x, _: x.aead and _key_bytes(x) <= 0),
    Check(errno.EINVAL, "ICV length other than 64, 96 and 128 bits",
          lambda x, _: x.aead and x.aead.icv_bits not in ICV_SIZES),
    Check(errno.EINVAL, "family other than that of the addresses",
          lambda x, _: {FAMILIES[x.source.version], FAMILIES[x.destination.version]}
          != {x.family}),
    Check(errno.EINVAL, "inner family other than 4, 6 and both, or in transport mode not the outer "
          "one", lambda x, _: x.inner_family not in (*FAMILIES, ANY_FAMILY)
          or (x.mode == "transport" and FAMILIES.get(x.inner_family) != x.family)),
    Check(errno.EINVAL, "SPI 0", lambda x, _: x.spi == 0),
    Check(errno.EINVAL, "SPI above 32 bits", lambda x, _: not _fits(32, x.spi)),
    Check(errno.EINVAL, "UDP port above 16 bits",
          lambda x, _: x.encap and not _fits(
              16, x.encap.source_port, x.encap.destination_port)),
    Check(errno.EINVAL, "TFC padding", lambda x, _: x.tfcpad),
    Check(errno.EINVAL, "first sequence number 0, or too long for the SA",
          lambda x, _: x.initial_seq == 0 or not _fits(64 if x.esn else 32, x.initial_seq)),
    Check(errno.EINVAL, f"replay window above {REPLAY_WINDOW_MAX:,} packets",
          lambda x, _: not 0 <= x.replay_window <= REPLAY_WINDOW_MAX),
    Check(errno.EINVAL, "salt of the IV other than 8 bytes",
          lambda x, _: _sends(x) and x.seqiv_salt is not None
          and len(x.seqiv_salt) != SEQIV_SALT_BYTES),
    Check(errno.EINVAL, "limit above 64 bits",
          lambda x, _: not _fits(64, *asdict(x.limits).values())),
    Check(errno.EINVAL, "hard limit of 0, or reached",
          lambda x, _: 0 in (x.left.hard_packets, x.left.hard_bytes)),
    Check(errno.EINVAL, "soft limit of packets not below the hard one",
          lambda x, _: _not_above(x.limits.soft_packets, x.limits.hard_packets)),
    Check(errno.EINVAL, "soft limit of bytes not below the hard one",
          lambda x, _: _not_above(x.limits.soft_bytes, x.limits.hard_bytes)),

    Check(errno.EOPNOTSUPP, "mode other than tunnel and transport",
          lambda x, _: x.mode not in MODES),
    Check(errno.EOPNOTSUPP, "cipher and authentication that are no AEAD",
          lambda x, _: x.aead is None or x.encryption),
    Check(errno.EOPNOTSUPP, f"AEAD other than {ALGORITHM}",
          lambda x, _: x.aead and x.aead.name != ALGORITHM),
    Check(errno.EOPNOTSUPP, "key length other than 128, 192 and 256 bits and the salt",
          lambda x, _: _key_bytes(x) not in KEY_BYTES),
    Check(errno.EOPNOTSUPP, f"IV generator other than {SEQIV}, to send",
          lambda x, _: _sends(x) and (x.geniv != SEQIV or x.seqiv_salt is None)),
    Check(errno.EOPNOTSUPP, "key length that CAPABILITIES does not list",
          lambda x, can: x.association.key_size not in can.key_sizes),
    Check(errno.EOPNOTSUPP, "ICV length that CAPABILITIES does not list",
          lambda x, can: x.association.icv not in can.icv_sizes),
    Check(errno.EOPNOTSUPP, "ESN that CAPABILITIES does not list",
          lambda x, can: x.esn and not can.esn),
    Check(errno.EOPNOTSUPP, "IPv6 outside that CAPABILITIES does not list",
          lambda x, can: x.family == AF_INET6 and not can.ipv6),
    Check(errno.EOPNOTSUPP, "UDP encapsulation that CAPABILITIES does not list",
          lambda x, can: x.encap and not can.udp),
    Check(errno.EOPNOTSUPP, "encapsulation other than ESP in UDP",
          lambda x, _: x.encap and x.encap.type != UDP_ENCAP_ESPINUDP),
    Check(errno.EOPNOTSUPP, "UDP encapsulation to port 0, to receive",
          lambda x, _: x.encap and not _sends(x) and not x.encap.destination_port),
)


def check(x: XfrmState, can: Identity) -> None:
    """Raise ``LinuxError`` for the first check that applies."""
    for each in CHECKS:
        if each.wrong(x, can):
            raise LinuxError(each.number, each.reason)
