"""Internet packets: headers, addresses, IPv4 and IPv6, checksums, segmentation, the parser."""
