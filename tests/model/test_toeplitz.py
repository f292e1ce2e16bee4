"""The Toeplitz hash against the published vectors of receive side scaling."""

from ipaddress import ip_address

import pytest

from espnic.model.crypto.toeplitz import toeplitz

# Microsoft, "Verifying the RSS Hash Calculation": key, and the hash of addresses, with ports too.
KEY_BITS = 320
KEY = int(
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b4"
    "77cb2da38030f20c6a42b73bbeac01fa", 16)
VECTORS = [
    ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178),
    ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xD718262A, 0xC626B0EA),
    ("24.19.198.95", 12898, "12.22.207.184", 38024, 0xD2D0A5DE, 0x5C2B394A),
    ("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xAFC7327F),
    ("153.39.163.191", 44251, "202.188.127.2", 1303, 0x5D1809C5, 0x10E828A2),
]


@pytest.mark.parametrize("source, sport, destination, dport, addresses, ports", VECTORS)
def test_toeplitz_gives_the_published_rss_hashes(
        source, sport, destination, dport, addresses, ports):
    pair = int(ip_address(source)) << 32 | int(ip_address(destination))
    assert _rss(pair, 64) == addresses
    assert _rss(pair << 32 | sport << 16 | dport, 96) == ports


def _rss(data: int, data_bits: int) -> int:
    """RSS uses its key from the first byte on: the top bits of the number."""
    used = data_bits + 32 - 1
    return toeplitz(KEY >> (KEY_BITS - used), data, 32)
