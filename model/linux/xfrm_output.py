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
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.netdev import Feature, NetDevice
from espnic.model.linux.xfrm import Direction, ExpireUpcall, KmState, XfrmState, check_expire
from espnic.model.linux.xfrm_device import offload_ok
from espnic.model.net import ip

_LOW = 1 << 32


class Way(Enum):
    """The division of the work on a packet between device and software."""

    DEVICE = "the device segments, sums and seals"
    SEGMENTS = "software segments, the device seals"
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

        ``checksum`` and ``mss`` are those of ``Outgoing``. Nothing ever leaves in clear: for a
        packet that cannot be sealed ``LinuxError`` is raised, and it is counted.
        """
        if x.direction != Direction.OUT:
            raise self._drop("XfrmOutError", errno.EINVAL, "a receive SA cannot send")
        if x.state != KmState.VALID:
            raise self._drop("XfrmOutStateInvalid", errno.EINVAL, f"SA is {x.state.name}")
        if not check_expire(x, self._expired):
            raise self._drop("XfrmOutStateExpired", errno.EINVAL, "hard limit is reached")
        try:
            ip.split(clear)
            packets = stack.clear_packets(clear, checksum, mss)
        except ValueError as problem:
            raise self._drop("XfrmOutError", errno.EINVAL, str(problem)) from None
        sequence = self._take_numbers(x, len(packets))
        outgoing = Outgoing(x.association, sequence, clear, checksum=checksum, mss=mss)
        way = choose(x, packets, outgoing, device)
        try:
            requests = _requests(x, way, outgoing, packets, device)
        except ValueError as problem:
            raise self._drop("XfrmOutError", errno.EINVAL, str(problem)) from None
        x.current.packets += len(packets)
        x.current.bytes += sum(map(len, packets))
        return Sent(way, sequence, requests)

    def _take_numbers(self, x: XfrmState, count: int) -> int:
        """The first of ``count`` sequence numbers (xfrm_replay_overflow_offload).

        None are taken when the counter would wrap. The SA's device, if it has one, is told that
        the counter moves, as the kernel does when sending too; a driver may ignore it.
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


def choose(
    x: XfrmState, packets: list[bytes], outgoing: Outgoing, device: NetDevice,
) -> Way:
    """Choose who does the work on ``outgoing``; ``packets`` are its finished clear packets."""
    if not all(offload_ok(x, packet, device) for packet in packets):
        return Way.SOFTWARE
    if not outgoing.mss:
        return Way.DEVICE
    return Way.DEVICE if gso_ok(outgoing, len(packets), device) else Way.SEGMENTS


def gso_ok(outgoing: Outgoing, segments: int, device: NetDevice) -> bool:
    """Whether a super-packet may go to the device as it is.

    If its low sequence number would wrap, the core cuts it (xmit_xfrm_check_overflow).
    """
    if not {Feature.GSO_ESP, Feature.HW_ESP_TX_CSUM} <= device.features:
        return False
    return outgoing.sequence % _LOW + segments < _LOW


def _requests(
    x: XfrmState, way: Way, outgoing: Outgoing, packets: list[bytes], device: NetDevice,
) -> list[Request]:
    """The requests for the device, which is the SA's unless software does it all."""
    if way == Way.SOFTWARE:
        bypass = {"operation": int(TxOperation.BYPASS)}
        return [Request(bypass, frame) for frame in stack.software_frames(outgoing)]
    assert x.offload is not None
    handle = x.offload.handle
    sums = Feature.HW_ESP_TX_CSUM in device.features
    if way == Way.DEVICE and (sums or not outgoing.checksum):
        return [stack.device_request(outgoing, handle)]
    singles = (
        replace(outgoing, clear=packet, sequence=outgoing.sequence + index, checksum=False, mss=0,
                ip_id=outgoing.ip_id + index)
        for index, packet in enumerate(packets))
    return [stack.device_request(single, handle) for single in singles]
