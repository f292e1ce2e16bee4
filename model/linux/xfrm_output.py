"""Sending on an SA: sequence numbers, and who segments, sums and seals (net/xfrm/xfrm_output.c,
validate_xmit_xfrm in net/xfrm/xfrm_device.c).

Whoever does the work, the wire gets the same bytes.
"""

import errno
from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum

from espnic.model.host import stack
from espnic.model.host.stack import Outgoing, Request
from espnic.model.interface.codes import TxOperation
from espnic.model.linux import software_gso
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.netdev import Feature, NetDevice
from espnic.model.linux.tx_skb import GsoType, TxSkb, tx_skb
from espnic.model.linux.xfrm import Direction, ExpireUpcall, KmState, XfrmState, check_expire
from espnic.model.linux.xfrm_device import offload_ok

_LOW = 1 << 32


class Way(Enum):
    """The division of the work on a packet between device and software."""

    DEVICE = "the device segments, sums and seals"
    SEGMENTS = "software segments or sums, the device seals"
    SOFTWARE = "software does it all"


@dataclass(frozen=True)
class Sent:
    """The frames that go to the device's transmit port for a packet."""

    way: Way
    sequence: int
    """Sequence number of the first frame."""
    requests: list[Request]
    """Frames with their descriptors, which are empty where software has done it all."""


class Output:
    """The sending half of a host's xfrm; ``mib`` are the names of /proc/net/xfrm_stat."""

    def __init__(self, mib: Counter[str], expired: ExpireUpcall) -> None:
        self._mib = mib
        self._expired = expired

    def send(
        self, x: XfrmState, clear: bytes, device: NetDevice, *, checksum: bool = False,
        mss: int = 0,
    ) -> Sent:
        """Send a clear IP packet through a device, which need not be the SA's.

        ``checksum`` and ``mss`` are those of ``Outgoing``: work that a TCP or UDP sender leaves.
        Errors as in ``send_skb``.
        """
        self._admit(x)
        try:
            skb = tx_skb(clear, checksum, mss)
        except ValueError as problem:
            raise self._drop("XfrmOutError", errno.EINVAL, str(problem)) from None
        return self._send(x, skb, device)

    def send_skb(self, x: XfrmState, skb: TxSkb, device: NetDevice) -> Sent:
        """Send a clear packet, whatever it leaves to be done, through a device.

        Nothing ever leaves in clear: for a packet that cannot be sealed ``LinuxError`` is raised,
        and it is counted.
        """
        self._admit(x)
        return self._send(x, skb, device)

    def _admit(self, x: XfrmState) -> None:
        """Raise ``LinuxError`` for an SA that may not send, or no more."""
        if x.direction != Direction.OUT:
            raise self._drop("XfrmOutError", errno.EINVAL, "a receive SA cannot send")
        if x.state != KmState.VALID:
            raise self._drop("XfrmOutStateInvalid", errno.EINVAL, f"SA is {x.state.name}")
        if not check_expire(x, self._expired):
            raise self._drop("XfrmOutStateExpired", errno.EINVAL, "hard limit is reached")

    def _send(self, x: XfrmState, skb: TxSkb, device: NetDevice) -> Sent:
        try:
            packets = software_gso.finished(skb)
            ok = offload_ok(x, skb, max(map(len, packets)), device)
        except ValueError as problem:
            raise self._drop("XfrmOutError", errno.EINVAL, str(problem)) from None
        sequence = self._take_numbers(x, skb.gso_segs if ok and skb.gso_size else len(packets))
        way = choose(x, skb, sequence, device) if ok else Way.SOFTWARE
        try:
            requests = _requests(x, way, skb, packets, sequence)
        except ValueError as problem:
            raise self._drop("XfrmOutError", errno.EINVAL, str(problem)) from None
        x.current.packets += len(packets)
        x.current.bytes += sum(map(len, packets))
        return Sent(way, sequence, requests)

    def _take_numbers(self, x: XfrmState, count: int) -> int:
        """The first of ``count`` sequence numbers (xfrm_replay_overflow_offload).

        None are taken when the counter would wrap. A super-frame that goes on whole takes as many
        as it has segments by ``gso_segs``, be that right or not. The SA's device, if it has one,
        is told that the counter moves, as the kernel does when sending too; a driver may ignore
        it.
        """
        if x.oseq + count >= 1 << (64 if x.esn else 32):
            raise self._drop("XfrmOutStateSeqError", errno.EOVERFLOW, "sequence numbers used up")
        first = x.oseq + 1
        x.oseq += count
        if x.esn and x.offload and x.offload.device.ops:
            x.offload.device.ops.advance_esn(x)
        return first

    def _drop(self, counter: str, number: int, reason: str) -> LinuxError:
        self._mib[counter] += 1
        return LinuxError(number, reason)


def choose(x: XfrmState, skb: TxSkb, sequence: int, device: NetDevice) -> Way:
    """Choose who does the work on a packet that the SA's device may seal.

    A user who switches a feature off is obeyed with the next packet (validate_xmit_skb).
    """
    features = _features(skb, device)
    if Feature.HW_ESP not in features:
        return Way.SOFTWARE
    if skb.gso_size:
        return Way.DEVICE if gso_ok(skb, sequence, features) else Way.SEGMENTS
    left = skb.csum_start is not None and Feature.HW_ESP_TX_CSUM not in features
    return Way.SEGMENTS if left else Way.DEVICE


def gso_ok(skb: TxSkb, sequence: int, features: set[Feature]) -> bool:
    """Whether a super-packet may go to the device as it is.

    If its low sequence number would wrap, the core cuts it (xmit_xfrm_check_overflow).
    """
    if not {Feature.GSO_ESP, Feature.HW_ESP_TX_CSUM} <= features:
        return False
    return sequence % _LOW + skb.gso_segs < _LOW


def _features(skb: TxSkb, device: NetDevice) -> set[Feature]:
    """The device's features for a packet (netif_skb_features).

    A super-packet has ESP in its type by then (xfrm_output).
    """
    if device.netdev_ops is None:
        return device.features
    if skb.gso_size:
        skb = replace(skb, gso_type=skb.gso_type | GsoType.ESP)
    return device.netdev_ops.features_check(skb, device.features)


def _requests(
    x: XfrmState, way: Way, skb: TxSkb, packets: list[bytes], sequence: int,
) -> list[Request]:
    """The requests for the device, which is the SA's unless software does it all."""
    sa = x.association
    singles = [Outgoing(sa, sequence + index, packet, ip_id=index)
               for index, packet in enumerate(packets)]
    if way == Way.SOFTWARE:
        bypass = {"operation": int(TxOperation.BYPASS)}
        return [Request(bypass, stack.software_frame(single)) for single in singles]
    assert x.offload is not None
    handle = x.offload.handle
    if way == Way.DEVICE:
        return [stack.device_request(
            Outgoing(sa, sequence, skb.data, checksum=skb.csum_start is not None,
                     mss=skb.gso_size), handle)]
    return [stack.device_request(single, handle) for single in singles]
