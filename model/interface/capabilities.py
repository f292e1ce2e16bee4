"""The features that a network stack is told of, by the names that ``ethtool -k`` prints."""

from collections.abc import Mapping

ESP = "esp-hw-offload"
"""The device seals and opens ESP packets (Linux NETIF_F_HW_ESP)."""
ESP_CHECKSUM = "esp-tx-csum-hw-offload"
"""It puts in the TCP or UDP checksum before it seals (NETIF_F_HW_ESP_TX_CSUM)."""
ESP_SEGMENTATION = "tx-esp-segmentation"
"""It cuts super-frames into sealed segments (NETIF_F_GSO_ESP)."""


def feature_strings(capabilities: Mapping[str, int]) -> tuple[str, ...]:
    """The features of a device with these fields of CAPABILITIES.

    Each needs those before it. The stack offloads an SA pair to a device or none of it, so
    a device of one direction has none.
    """
    needed = (
        (ESP, ("has_receive", "has_transmit")),
        (ESP_CHECKSUM, ("has_checksum",)),
        (ESP_SEGMENTATION, ("has_lso",)),
    )
    features: list[str] = []
    for feature, fields in needed:
        if not all(capabilities[field] for field in fields):
            break
        features.append(feature)
    return tuple(features)
