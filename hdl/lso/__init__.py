"""Super-frames cut into segments: headers read, patched and repeated, payload sliced."""
