"""A network device as the stack sees it: features, MTU, and its IPsec callbacks, if any."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from espnic.model.interface import capabilities
from espnic.model.linux.xfrm import XfrmState


class Feature(StrEnum):
    """NETIF_F_*, by the names that ``ethtool -k`` prints."""

    HW_ESP = capabilities.ESP
    HW_ESP_TX_CSUM = capabilities.ESP_CHECKSUM
    GSO_ESP = capabilities.ESP_SEGMENTATION


class XfrmDevOps(Protocol):
    """struct xfrmdev_ops: what a driver gives for IPsec. Errors are ``LinuxError``s."""

    async def state_add(self, x: XfrmState) -> None:
        """Make the device ready for the SA, and set ``x.offload.handle``."""

    async def state_delete(self, x: XfrmState) -> None:
        """No look-up finds the SA any more; frames may still be in flight."""

    async def state_free(self, x: XfrmState) -> None:
        """The last reference is gone: release its keys."""

    def offload_ok(self, x: XfrmState, clear: bytes) -> bool:
        """Whether the device can do this IP packet."""

    def advance_esn(self, x: XfrmState) -> None:
        """The window or counter has moved. In atomic context: what takes time is put off."""

    async def update_stats(self, x: XfrmState) -> None:
        """Bring the SA's statistics up to date."""


@dataclass(eq=False)
class NetDevice:
    """struct net_device."""

    name: str
    mtu: int = 1500
    features: set[Feature] = field(default_factory=set)
    ops: XfrmDevOps | None = None
    """None: a device without IPsec offload."""
    has_advance_esn: bool = True
    """Whether ``ops`` does ESN: it may leave ``advance_esn`` out."""
    up: bool = True
