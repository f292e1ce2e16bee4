"""AES-GCM in ESP: nonce and AAD of a packet."""

from amaranth.hdl import Cat, Mux, Value
from amaranth.lib import data

from espnic.hdl.frame.align import bytes_of
from espnic.hdl.layouts import LENGTH_BITS, SaCommand, members
from espnic.model.interface.codes import AES_BLOCK_BYTES
from espnic.model.interface.features import WIDTHS

AAD_BYTES = 8
"""Bytes of the AAD: SPI and sequence number."""
AAD_BYTES_ESN = 12
"""Bytes of the AAD with ESN: SPI and 64-bit sequence number."""

GcmOrder = data.StructLayout({
    **members(SaCommand, "key_size"),
    "aad": 8 * AAD_BYTES_ESN,
    "aad_bytes": range(AAD_BYTES_ESN + 1),
    "text_bytes": LENGTH_BITS,
    "joins": 1,
})
"""A packet to seal or open, without anything secret. ``aad`` has its first byte in bits 7:0, and
is 0 above its bytes. ``joins``: in beats of the greatest width the last one of the text has less
than a block (``GcmFeed``)."""


def describe_order(order, context, spi: Value, sequence: Value) -> list:
    """Assignments to a ``GcmOrder`` of all that RFC 4106 and the SA's context say of it.

    The AAD is that of RFC 4106, 5; with ESN it has all 64 bits of the ``sequence`` number, else
    the low 32. Numbers are as RFC 4303 writes them. The length of the text is left to
    ``describe_length``.
    """
    high, low = bytes_of(sequence[32:]), bytes_of(sequence[:32])
    return [
        order.key_size.eq(context.key_size),
        order.aad.eq(Mux(context.esn, Cat(bytes_of(spi), high, low), Cat(bytes_of(spi), low))),
        order.aad_bytes.eq(Mux(context.esn, AAD_BYTES_ESN, AAD_BYTES)),
    ]


def describe_length(order, text_bytes: Value) -> list:
    """Assignments to a ``GcmOrder`` of the length of its text."""
    return [order.text_bytes.eq(text_bytes), order.joins.eq(joins(text_bytes))]


def joins(text_bytes):
    """Whether the AAD of a text of this length, a value or a number, joins its first beat."""
    in_last_beat = text_bytes % (max(WIDTHS) // 8)
    return (in_last_beat != 0) & (in_last_beat < AES_BLOCK_BYTES)


def describe_packet(packet, order, secrets, iv: Value) -> list:
    """Assignments to a ``gcm_packet`` of its order, and of the secrets of its SA.

    The nonce is that of RFC 4106, 4. The IV has its first byte in bits 63:56. The direction is
    left to the caller.
    """
    parameters = packet.parameters
    return [
        packet.aad.eq(order.aad),
        packet.joins.eq(order.joins),
        parameters.key.eq(secrets.key),
        parameters.key_size.eq(order.key_size),
        parameters.powers.eq(secrets.powers),
        parameters.nonce.eq(Cat(bytes_of(secrets.salt), bytes_of(iv))),
        parameters.aad_bytes.eq(order.aad_bytes),
        parameters.text_bytes.eq(order.text_bytes),
    ]
