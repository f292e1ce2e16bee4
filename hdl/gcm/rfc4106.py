"""AES-GCM in ESP: nonce and AAD of a packet."""

from amaranth.hdl import Cat, Mux, Value

from espnic.hdl.frame.align import bytes_of

AAD_BYTES = 8
"""Bytes of the AAD: SPI and sequence number."""
AAD_BYTES_ESN = 12
"""Bytes of the AAD with ESN: SPI and 64-bit sequence number."""


def describe_packet(packet, context, spi: Value, sequence: Value, iv: Value) -> list:
    """Assignments to a ``gcm_packet`` of all that RFC 4106 and the SA's context say of it.

    Nonce and AAD are those of RFC 4106, 4 and 5; with ESN the AAD has all 64 bits of the
    ``sequence`` number, else the low 32. Numbers are as RFC 4303 writes them, the IV has its
    first byte in bits 63:56. Length and direction of the text are left to the caller.
    """
    high, low = bytes_of(sequence[32:]), bytes_of(sequence[:32])
    return [
        packet.aad.eq(Mux(context.esn, Cat(bytes_of(spi), high, low), Cat(bytes_of(spi), low))),
        packet.parameters.key.eq(context.key),
        packet.parameters.key_size.eq(context.key_size),
        packet.parameters.powers.eq(context.powers),
        packet.parameters.nonce.eq(Cat(bytes_of(context.salt), bytes_of(iv))),
        packet.parameters.aad_bytes.eq(Mux(context.esn, AAD_BYTES_ESN, AAD_BYTES)),
    ]
