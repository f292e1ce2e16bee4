"""A network device as the stack sees it: features, MTU, and its IPsec callbacks, if any."""

from dataclasses import dataclass, field
from enum import StrEnum

from espnic.model.interface import capabilities
from espnic.model.linux.xfrm import XfrmDevOps


class Feature(StrEnum):
    """NETIF_F_*, by the names that ``ethtool -k`` prints."""

    HW_ESP = capabilities.ESP
    HW_ESP_TX_CSUM = capabilities.ESP_CHECKSUM
    GSO_ESP = capabilities.ESP_SEGMENTATION


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
