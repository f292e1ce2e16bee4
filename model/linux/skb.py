"""A received frame on its way up: struct sk_buff with its secpath."""

from dataclasses import dataclass
from enum import IntFlag

from espnic.model.linux.xfrm import XfrmState


class XfrmStatus(IntFlag):
    """Status of struct xfrm_offload (CRYPTO_*)."""

    CRYPTO_SUCCESS = 1
    CRYPTO_GENERIC_ERROR = 2
    CRYPTO_TRANSPORT_AH_AUTH_FAILED = 4
    CRYPTO_TRANSPORT_ESP_AUTH_FAILED = 8
    CRYPTO_TUNNEL_AH_AUTH_FAILED = 16
    CRYPTO_TUNNEL_ESP_AUTH_FAILED = 32
    CRYPTO_INVALID_PACKET_SYNTAX = 64
    CRYPTO_INVALID_PROTOCOL = 128


@dataclass(frozen=True)
class SecPath:
    """A driver's word on a frame's cryptography; with it the flag CRYPTO_DONE is set."""

    state: XfrmState
    """The SA that the device has found."""
    status: XfrmStatus


@dataclass(frozen=True)
class SkBuff:
    """A frame, from its Ethernet header on."""

    data: bytes
    sec_path: SecPath | None = None
    """The device's verdict; None if it has given none: then the bytes are as they came."""
    checksum: int | None = None
    """CHECKSUM_COMPLETE: the sum of all from byte 14 to the end of a frame that the device has
    opened, trailer, ICV and Ethernet padding included; else None."""
    csum_level: int | None = None
    """CHECKSUM_UNNECESSARY: the number of checksums behind the first that are right too; None: the
    device has not said that the first is right."""
    mark: int = 0
    """Mark that a rule of the host has given it."""
