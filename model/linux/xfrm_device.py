"""The work of the xfrm core before and around a driver's callbacks (net/xfrm/xfrm_device.c).

An SA is offered to the device. -EOPNOTSUPP from the driver means that software does the SA's work;
with any other error the SA fails. Packet offload never falls back to software.
"""

import errno
from collections.abc import Iterable

from espnic.model.interface.codes import (
    ESP_ALIGNMENT_BYTES,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    IPPROTO_ESP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    UDP_HEADER_BYTES,
)
from espnic.model.interface.headers import IPV4_VERSION
from espnic.model.linux.errors import LinuxError, refuse_if
from espnic.model.linux.netdev import Feature, NetDevice
from espnic.model.linux.tx_skb import TxSkb
from espnic.model.linux.xfrm import Direction, KmState, Offload, OffloadFlags, XfrmState
from espnic.model.net import ip

_KNOWN_FLAGS = OffloadFlags.IPV6 | OffloadFlags.INBOUND | OffloadFlags.PACKET


def api_check(device: NetDevice) -> None:
    """Refuse to register a device with features that lack others (xfrm_api_check).

    Raises ``LinuxError`` EINVAL.
    """
    refuse_if(Feature.HW_ESP_TX_CSUM in device.features and Feature.HW_ESP not in device.features,
              errno.EINVAL, "esp-tx-csum-hw-offload needs esp-hw-offload")
    refuse_if(Feature.HW_ESP in device.features and device.ops is None,
              errno.EINVAL, "esp-hw-offload needs state_add and state_delete")


async def state_add(
    x: XfrmState, device: NetDevice, flags: int = 0, *, encap_offload: bool = True,
) -> None:
    """Offer an SA to a device (xfrm_dev_state_add).

    Returns without error, and with ``x.offload`` None, when software is to do it. ``flags`` are
    OffloadFlags: INBOUND and PACKET are what the user asks for. ``encap_offload`` False is the core
    of Linux 6.1, which offloads no encapsulation. Raises ``LinuxError``: EINVAL for a wrong
    request, and the driver's errors.
    """
    asked_direction = Direction.IN if flags & OffloadFlags.INBOUND else Direction.OUT
    packet = bool(flags & OffloadFlags.PACKET)
    for wrong, reason in (
        (flags & ~int(_KNOWN_FLAGS), "unrecognized flags in offload request"),
        (x.direction != asked_direction, "mismatched SA and offload direction"),
        (flags & OffloadFlags.INBOUND and x.if_id, "XFRM if_id is not supported in RX path"),
        (x.tfcpad, "TFC padding can't be offloaded"),
        (x.encap and not encap_offload, "Encapsulation can't be offloaded"),
        (x.protocol != IPPROTO_ESP, "type doesn't support offload"),
        (device.ops is None and packet, "device has no IPsec offload"),
        (device.ops and x.esn and not device.has_advance_esn, "device doesn't support ESN"),
        (x.direction == Direction.IN and x.esn and not x.replay_window,
         "ESN needs a replay window"),
    ):
        refuse_if(bool(wrong), errno.EINVAL, reason)
    if device.ops is None or not device.up:
        refuse_if(packet, errno.EINVAL, "device is down, expected it up for packet offload")
        return
    x.offload = Offload(device, packet)
    try:
        await device.ops.state_add(x)
    except LinuxError as refused:
        x.offload = None
        if refused.number != errno.EOPNOTSUPP or packet:
            raise


async def state_delete(x: XfrmState) -> None:
    """End an SA: it serves no more packets (xfrm_state_delete)."""
    x.state = KmState.DEAD
    if x.offload and x.offload.device.ops:
        await x.offload.device.ops.state_delete(x)


async def state_free(x: XfrmState) -> None:
    """Let go of a deleted SA to which nobody refers any more (xfrm_dev_state_free)."""
    if x.offload and x.offload.device.ops:
        try:
            await x.offload.device.ops.state_free(x)
        finally:
            x.offload = None


async def state_end(x: XfrmState) -> None:
    """Delete an SA and free it.

    The driver is told of both even if the first fails: the kernel's callbacks return nothing.
    """
    try:
        await state_delete(x)
    finally:
        await state_free(x)


async def netdev_down(device: NetDevice, states: Iterable[XfrmState]) -> None:
    """End all SAs of a device that goes down (NETDEV_DOWN, xfrm_dev_state_flush).

    Raises the first error of the driver when all SAs have ended.
    """
    device.up = False
    failures = []
    for x in list(states):
        if x.offload and x.offload.device is device:
            try:
                await state_end(x)
            except LinuxError as failed:
                failures.append(failed)
    if failures:
        raise failures[0]


def offload_ok(x: XfrmState, skb: TxSkb, longest: int, device: NetDevice) -> bool:
    """Whether the device seals this packet (xfrm_dev_offload_ok); if not, software does.

    ``longest`` is its length in bytes, or that of the longest segment of a super-frame.
    """
    if x.offload is None or x.offload.device is not device or device.ops is None:
        return False
    if x.nested or longest > state_mtu(x, device.mtu):
        return False
    return device.ops.offload_ok(x, skb)


async def set_features(device: NetDevice, wanted: set[Feature]) -> None:
    """Switch a device's features as ``ethtool -K`` does (__netdev_update_features)."""
    features = device.netdev_ops.fix_features(wanted) if device.netdev_ops else wanted
    if device.netdev_ops and features != device.features:
        await device.netdev_ops.set_features(features)
    device.features = features


def state_mtu(x: XfrmState, mtu: int) -> int:
    """Length of the longest clear packet whose ESP packet fits the MTU (xfrm_state_mtu)."""
    sa = x.association
    around = ESP_TEXT_OFFSET + sa.icv.bytes + (UDP_HEADER_BYTES if x.encap else 0)
    around += IPV4_HEADER_BYTES if sa.outer_family == IPV4_VERSION else IPV6_HEADER_BYTES
    text = (mtu - around) // ESP_ALIGNMENT_BYTES * ESP_ALIGNMENT_BYTES
    within = text - ESP_TRAILER_MIN_BYTES
    if x.mode == "transport":
        within += IPV4_HEADER_BYTES if sa.outer_family == IPV4_VERSION else IPV6_HEADER_BYTES
    return within


def has_options(clear: bytes) -> bool:
    """Whether an IPv4 header has options, or extension headers follow an IPv6 header."""
    packet = ip.split(clear)
    plain = IPV4_HEADER_BYTES if packet.version == IPV4_VERSION else IPV6_HEADER_BYTES
    return len(packet.header) > plain
