"""ESP as of RFC 4303: header, IV, trailer, sequence numbers and replay windows."""
