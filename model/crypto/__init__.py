"""AES, AES-GCM and the Toeplitz hash."""
