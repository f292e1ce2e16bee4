"""Internet packets: IPv4 and IPv6, checksums, segmentation, what a frame is."""
