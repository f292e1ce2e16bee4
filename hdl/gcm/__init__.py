"""AES-GCM: the cipher, its key schedule, GHASH, and the core made of them."""
