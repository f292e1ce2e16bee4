"""Files of packets and vectors: captures, hand-offs, published test vectors."""
