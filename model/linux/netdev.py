"""A network device as the stack sees it: its features, its MTU and its IPsec callbacks."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from espnic.model.interface import capabilities
from espnic.model.linux.tx_skb import TxSkb
from espnic.model.linux.xfrm import XfrmDevOps


class Feature(StrEnum):
    """Features of a device (NETIF_F_*), by the names that ``ethtool -k`` prints."""

    HW_ESP = capabilities.ESP
    HW_ESP_TX_CSUM = capabilities.ESP_CHECKSUM
    GSO_ESP = capabilities.ESP_SEGMENTATION


class NetDevOps(Protocol):
    """struct net_device_ops, as far as it matters to IPsec."""

    def features_check(self, skb: TxSkb, features: set[Feature]) -> set[Feature]:
        """The features that the device has for a packet of an offloaded SA."""

    def fix_features(self, wanted: set[Feature]) -> set[Feature]:
        """The features that can be on when a user wants these."""

    async def set_features(self, features: set[Feature]) -> None:
        """Make ready for other features than those that are on."""


@dataclass(eq=False)
class NetDevice:
    """struct net_device."""

    name: str
    mtu: int = 1500
    """Longest IP packet in bytes."""
    features: set[Feature] = field(default_factory=set)
    ops: XfrmDevOps | None = None
    """The driver's IPsec callbacks; None for a device without IPsec offload."""
    netdev_ops: NetDevOps | None = None
    """The driver's other callbacks; None for a device without them."""
    has_advance_esn: bool = True
    """Whether ``ops`` does ESN: a driver may leave ``advance_esn`` out."""
    up: bool = True
    """Whether the device is running."""
    stats: Counter[str] = field(default_factory=Counter)
    """struct rtnl_link_stats64: the counts that ``ip -s link`` prints."""
