"""Signal layouts of the datapath, made from the definitions the model shares.

A byte stream lies in a word with its first byte in bits 7:0, as on AXI4-Stream.
"""

from amaranth.hdl import Cat, ShapeLike, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from espnic.model.interface.codes import (
    AES_BLOCK_BYTES,
    ESP_PORTS,
    STATUS_BITS,
    IcvSize,
    SaDirection,
    SaMemory,
)
from espnic.model.interface.layouts import (
    EVENT,
    HANDLE_BITS,
    LENGTH_BITS,
    LOOKUP_KEY,
    MSS_BITS,
    RX_COMPLETION,
    RX_LOOKED_UP,
    RX_PARSED,
    SA_COMMAND,
    SA_RESPONSE,
    SUPER_LENGTH_BITS,
    TX_DESCRIPTOR,
    TX_SEQIV,
    TX_VERDICT,
    Layout,
)
from espnic.model.interface.layouts import OFFSET_BITS as HEADER_OFFSET_BITS
from espnic.model.interface.registers import PORT_BITS


def struct(layout: Layout) -> data.StructLayout:
    """The signal layout of a shared definition, bit for bit."""
    return data.StructLayout({field.name: field.bits for field in layout.fields})


IPV4_BITS = 32
NONCE_BITS = 96
"""Width of the IV of AES-GCM in ESP: the salt and the IV of the frame (RFC 4106, 4)."""

BLOCK_BITS = 8 * AES_BLOCK_BYTES
"""Bits of an AES block, which is also an element of the field of GHASH."""

TxDescriptor = struct(TX_DESCRIPTOR)
TxFields = data.StructLayout({
    **{field.name: field.bits for field in TX_DESCRIPTOR.fields if not field.reserved},
    "reserved": 1,
})
"""Fields of a ``TxDescriptor`` that have a meaning, and whether any other bit of it is not 0."""
RxCompletion = struct(RX_COMPLETION)
LookupKey = struct(LOOKUP_KEY)
SaCommand = struct(SA_COMMAND)
SaResponse = struct(SA_RESPONSE)
Event = struct(EVENT)
RxParsed = struct(RX_PARSED)
RxLookedUp = struct(RX_LOOKED_UP)
TxVerdict = struct(TX_VERDICT)
TxSeqiv = struct(TX_SEQIV)
EspPorts = data.ArrayLayout(PORT_BITS, ESP_PORTS)
"""UDP ports to which ESP is sent; 0 is none."""


def members(layout: data.StructLayout, *names: str) -> dict[str, ShapeLike]:
    """The named members of a layout, to make another layout of."""
    return {name: layout[name].shape for name in names}


def tx_fields(descriptor: Value) -> Value:
    """The ``TxFields`` of a ``TxDescriptor``."""
    view = data.View(TxDescriptor, descriptor)
    unknown = Cat(view[field.name] for field in TX_DESCRIPTOR.fields if field.reserved)
    return Cat(*(view[name] for name in TxFields.members if name != "reserved"), unknown.any())


def values_of(view: data.View) -> dict[str, Value]:
    """The values of a view's members, by name."""
    return {name: view[name] for name in view.shape().members}


def lookup_key(ipv6: bool) -> data.StructLayout:
    """The part of a ``LookupKey`` that tells the SAs of a build apart, with or without IPv6."""
    if ipv6:
        return LookupKey
    return data.StructLayout({
        "destination": IPV4_BITS, **members(LookupKey, "encapsulation", "spi")})


def beat(width: int) -> data.StructLayout:
    """One beat of a packet on a datapath of ``width`` bits.

    ``count`` is the number of valid bytes, counted from bit 0 up: always
    ``width // 8`` except on the last beat.
    """
    return data.StructLayout({
        "data": width,
        "count": ceil_log2(width // 8 + 1),
        "first": 1,
        "last": 1,
    })


IN_FLIGHT_BITS = 11
"""Width of the count of frames that a path has not yet judged."""

GHASH_STAGES = 3
"""Clocks from a block that enters the GHASH multiplier to its product: the k of the design."""


def lanes_of(width: int) -> int:
    """Number of AES lanes on a datapath of ``width`` bits: the blocks of a beat."""
    return width // BLOCK_BITS


def ghash_lanes(lanes: int) -> int:
    """Number of blocks that GHASH takes in a clock in a core with ``lanes`` AES lanes.

    At 4 lanes a frame may have no clock to spare for the AAD and the lengths block of
    its packet (two beats of text in two or three beats of frame), so those two blocks
    have a lane of their own.
    """
    return lanes + 1 if lanes == 4 else lanes


def has_spare_lane(lanes: int) -> bool:
    """Whether GHASH takes a block beside a full beat of text."""
    return ghash_lanes(lanes) > lanes


def hash_power_count(lanes: int) -> int:
    """Number of powers of the hash subkey that GHASH needs: the most blocks of its last slots."""
    return GHASH_STAGES * lanes + ghash_lanes(lanes) - lanes


def hash_powers(lanes: int) -> data.ArrayLayout:
    """Powers H^1, H^2 ... of the hash subkey, H^1 at index 0.

    A field element lies as its block does: first byte in bits 7:0, so the
    coefficient of x^0 is bit 7 (NIST SP 800-38D, 6.3).
    """
    return data.ArrayLayout(BLOCK_BITS, hash_power_count(lanes))


SERIAL_BITS = 2
"""Width of the serial that tells an SA from the last one with its handle."""

SaContext = data.StructLayout({
    "valid": 1,
    "serial": SERIAL_BITS,
    **members(SaCommand, "key_size", "icv_size", "esn", "esn_overlap", "replay_window",
              "esn_high", "spi"),
})
"""Fields of an SA that travel with a packet: no secret is among them. A packet reads them in one
clock: never a mix."""

FoundSa = data.StructLayout({"hit": 1, "fault": 1, "sa": HANDLE_BITS, "context": SaContext})
"""Result of a look-up: hit, handle, context. ``context`` means nothing without ``hit``.

With ``fault`` a row that was read for it was wrong: nobody knows whether there is an SA, and handle
and context mean nothing."""

ReceivedSa = data.StructLayout({**FoundSa.members, "bottom": 64})
"""Result of a look-up for a received packet.

``bottom`` is where the SA's replay window begins, modulo 2^64. It means nothing without a window.
"""


def sa_secrets(lanes: int) -> data.StructLayout:
    """Key material of an SA: what the rest of the SA's row never leads to."""
    return data.StructLayout({
        **members(SaCommand, "salt", "seqiv_salt", "key"),
        "powers": hash_powers(lanes),
    })


SA_MEMORIES = {
    SaDirection.RX: (SaMemory.STATE, SaMemory.SECRET, SaMemory.RECORD, SaMemory.LOOKUP,
                     SaMemory.USAGE, SaMemory.REPLAY),
    SaDirection.TX: (SaMemory.STATE, SaMemory.SECRET, SaMemory.RECORD, SaMemory.USAGE,
                     SaMemory.SENT),
}
"""Memories with the SAs of each direction."""

MemoryFaults = range(sum(map(len, SA_MEMORIES.values())) + 1)
"""Shape of the number of memories that gave a wrong row in a clock."""


def secret_port(lanes: int) -> wiring.Signature:
    """Port of a path to the secrets of its SAs.

    With ``read`` the row ``sa`` is read, and stays at ``row`` from the next clock until the next
    read. A clock after it, ``wrong`` says that the row is not what was written: then nothing that
    was made with it may leave. ``present`` and ``serial`` are written in one clock with the
    secrets: an SA that has been erased is not present, and one with another serial is not the SA
    that was looked up.
    """
    return wiring.Signature({
        "read": Out(1),
        "sa": Out(HANDLE_BITS),
        "row": In(data.StructLayout({
            "present": 1, "serial": SERIAL_BITS, "secrets": sa_secrets(lanes)})),
        "wrong": In(1),
    })


def icv_bytes(size: Value) -> Value:
    """Length in bytes of the ICV with this ``IcvSize``."""
    step = IcvSize.ICV12.bytes - IcvSize.ICV8.bytes
    return IcvSize.ICV8.bytes + size * step


def gcm_parameters(lanes: int) -> data.StructLayout:
    """Parameters of a packet for the GCM core, beside the packet's first beat."""
    return data.StructLayout({
        **members(SaCommand, "key", "key_size"),
        "nonce": NONCE_BITS,
        "aad_bytes": LENGTH_BITS,
        "text_bytes": LENGTH_BITS,
        "decrypt": 1,
        "powers": hash_powers(lanes),
    })


def gcm_beat(width: int) -> data.StructLayout:
    """One beat into the GCM core: first the beats of the AAD, then those of the text.

    ``count`` is the number of valid bytes; all beats are full except the last one of the AAD
    and the last one of the text. ``first`` and ``last`` mark the packet's ends.

    Where GHASH has a lane to spare, ``joined`` on the first beat of a text says that all
    of the AAD comes with it, as the block ``joined_aad``, 0 above the AAD's bytes.
    """
    lanes = lanes_of(width)
    joined = {"joined": 1, "joined_aad": BLOCK_BITS} if has_spare_lane(lanes) else {}
    return data.StructLayout({
        **beat(width).members,
        "aad": 1,
        **joined,
        "parameters": gcm_parameters(lanes),
    })


RxEvent = data.StructLayout({"status": STATUS_BITS, "bytes": LENGTH_BITS})
"""A received frame: its ``RxStatus`` and length. An oversize frame counts as one that does not
leave."""

TxEvent = data.StructLayout({
    "status": STATUS_BITS, "first": 1, "last": 1, "bytes_in": SUPER_LENGTH_BITS,
    "bytes_out": LENGTH_BITS})
"""A frame of a request to send, or a refused request: its ``TxStatus`` and, as ``bytes_out``, its
length as it leaves.

``first`` and ``last`` mark the first and last frame of a request. ``bytes_in`` is the length of the
request with ``first``, else 0.
"""


__all__ = [
    "BLOCK_BITS", "GHASH_STAGES", "HANDLE_BITS", "HEADER_OFFSET_BITS", "IN_FLIGHT_BITS",
    "IPV4_BITS", "LENGTH_BITS", "MSS_BITS", "NONCE_BITS", "SA_MEMORIES", "SERIAL_BITS",
    "SUPER_LENGTH_BITS", "Event", "FoundSa", "LookupKey", "MemoryFaults", "ReceivedSa",
    "RxCompletion", "RxEvent", "RxLookedUp",
    "RxParsed", "SaCommand", "SaContext", "SaResponse", "TxDescriptor", "TxEvent", "TxFields",
    "TxSeqiv", "TxVerdict", "beat", "gcm_beat", "gcm_parameters", "ghash_lanes",
    "has_spare_lane", "hash_power_count", "hash_powers", "icv_bytes", "lanes_of", "lookup_key",
    "members", "sa_secrets", "secret_port", "struct", "values_of",
]
