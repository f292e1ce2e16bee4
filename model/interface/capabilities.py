"""The features that a driver tells a network stack, by the names that ``ethtool -k`` prints."""

from collections.abc import Mapping

ESP = "esp-hw-offload"
"""The device seals and opens ESP packets (Linux NETIF_F_HW_ESP)."""
ESP_CHECKSUM = "esp-tx-csum-hw-offload"
"""The device puts in the TCP or UDP checksum before it seals (NETIF_F_HW_ESP_TX_CSUM)."""
ESP_SEGMENTATION = "tx-esp-segmentation"
"""The device cuts super-frames into sealed segments (NETIF_F_GSO_ESP)."""


def feature_strings(capabilities: Mapping[str, int]) -> tuple[str, ...]:
    """The features of a device, from its fields of CAPABILITIES.

    Each feature needs those before it. The stack offloads both SAs of a pair to a device or
    neither, so a device of one direction has no feature.
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
