"""ESP by RFC 4303: header, IV, trailer, sequence numbers and replay windows."""
