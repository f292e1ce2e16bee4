"""Signal layouts of the datapath, made from the definitions the model shares.

A byte stream lies in a word with its first byte in bits 7:0, as on AXI4-Stream.
"""

from amaranth.hdl import Value
from amaranth.lib import data
from amaranth.utils import ceil_log2

from espnic.model.interface.codes import STATUS_BITS, IcvSize
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


def struct(layout: Layout) -> data.StructLayout:
    """The signal layout of a shared definition, bit for bit."""
    return data.StructLayout({field.name: field.bits for field in layout.fields})


IPV4_BITS = 32

TxDescriptor = struct(TX_DESCRIPTOR)
RxCompletion = struct(RX_COMPLETION)
LookupKey = struct(LOOKUP_KEY)
SaCommand = struct(SA_COMMAND)
SaResponse = struct(SA_RESPONSE)
Event = struct(EVENT)
RxParsed = struct(RX_PARSED)
RxLookedUp = struct(RX_LOOKED_UP)
TxVerdict = struct(TX_VERDICT)
TxSeqiv = struct(TX_SEQIV)


def lookup_key(ipv6: bool) -> data.StructLayout:
    """What of a ``LookupKey`` tells the SAs of a build apart, with and without IPv6."""
    if ipv6:
        return LookupKey
    return data.StructLayout({"destination": IPV4_BITS, "encapsulation": 1, "spi": 32})


def beat(width: int) -> data.StructLayout:
    """One beat of a packet on a datapath of ``width`` bits.

    ``count`` is the number of valid bytes, counted from bit 0 up: always
    ``width // 8`` but on the last beat.
    """
    return data.StructLayout({
        "data": width,
        "count": ceil_log2(width // 8 + 1),
        "first": 1,
        "last": 1,
    })


IN_FLIGHT_BITS = 8
"""Of a count of the frames that a path has not yet judged."""

GHASH_STAGES = 3
"""Clocks from a block into the GHASH multiplier to its product: the k of the design."""


def ghash_lanes(lanes: int) -> int:
    """Blocks that GHASH takes in a clock, of a core with that many AES lanes.

    At 4 lanes a frame may have no clock to spare for the AAD and the lengths block of
    its packet (two beats of text in two or three beats of frame), so that the blocks
    have a lane.
    """
    return lanes + 1 if lanes == 4 else lanes


def has_spare_lane(lanes: int) -> bool:
    """Whether GHASH takes a block beside a full beat of text."""
    return ghash_lanes(lanes) > lanes


def hash_power_count(lanes: int) -> int:
    """Powers of the hash subkey that GHASH needs: as many as blocks share its last slots."""
    return GHASH_STAGES * lanes + ghash_lanes(lanes) - lanes


def hash_powers(lanes: int) -> data.ArrayLayout:
    """Powers H^1, H^2 ... of the hash subkey, H^1 at index 0.

    A field element lies as its block does: first byte in bits 7:0, so the
    coefficient of x^0 is bit 7 (NIST SP 800-38D, 6.3).
    """
    return data.ArrayLayout(128, hash_power_count(lanes))


def sa_context(lanes: int) -> data.StructLayout:
    """What the datapath needs of an SA, read once a packet so that no packet sees a mix."""
    return data.StructLayout({
        "valid": 1,
        "key_size": 2,
        "icv_size": 2,
        "esn": 1,
        "esn_overlap": 1,
        "replay_window": 3,
        "esn_high": 32,
        "spi": 32,
        "salt": 32,
        "seqiv_salt": 64,
        "key": 256,
        "powers": hash_powers(lanes),
    })


def found_sa(lanes: int) -> data.StructLayout:
    """What a packet learns of its SA. ``context`` means nothing without ``hit``."""
    return data.StructLayout({"hit": 1, "sa": HANDLE_BITS, "context": sa_context(lanes)})


def received_sa(lanes: int) -> data.StructLayout:
    """What a received packet learns of its SA: also where its replay window begins, modulo 2^64,
    which means nothing without a window."""
    return data.StructLayout({**found_sa(lanes).members, "bottom": 64})


def icv_bytes(size: Value) -> Value:
    """Length in bytes of an ICV of an ``IcvSize``."""
    step = IcvSize.ICV12.bytes - IcvSize.ICV8.bytes
    return IcvSize.ICV8.bytes + size * step


def gcm_parameters(lanes: int) -> data.StructLayout:
    """What the GCM core needs of a packet, beside the packet's first beat."""
    return data.StructLayout({
        "key": 256,
        "key_size": 2,
        "nonce": 96,
        "aad_bytes": LENGTH_BITS,
        "text_bytes": LENGTH_BITS,
        "decrypt": 1,
        "powers": hash_powers(lanes),
    })


def gcm_beat(width: int) -> data.StructLayout:
    """One beat into the GCM core: first the beats of the AAD, then those of the text.

    ``count`` valid bytes; all but the last beat of the AAD and the last of the
    text are full. ``first`` and ``last`` mark the packet's ends.

    Where GHASH has a lane to spare, ``joined`` on the first beat of a text says that all
    of the AAD comes with it, as the block ``joined_aad``, 0 above the AAD's bytes.
    """
    lanes = width // 128
    joined = {"joined": 1, "joined_aad": 128} if has_spare_lane(lanes) else {}
    return data.StructLayout({
        "data": width,
        "count": ceil_log2(width // 8 + 1),
        "first": 1,
        "last": 1,
        "aad": 1,
        **joined,
        "parameters": gcm_parameters(lanes),
    })


RxEvent = data.StructLayout({"status": STATUS_BITS, "bytes": LENGTH_BITS})
"""A frame received: ``RxStatus`` and its length. An oversize frame is counted as not leaving."""

TxEvent = data.StructLayout({
    "status": STATUS_BITS, "first": 1, "last": 1, "bytes_in": SUPER_LENGTH_BITS,
    "bytes_out": LENGTH_BITS})
"""A frame of a request to send, or a refused request: ``TxStatus``, and its length as it leaves.

``first`` and ``last`` of its request; with ``first`` ``bytes_in`` is the request's length, else 0.
"""


__all__ = [
    "GHASH_STAGES", "HANDLE_BITS", "HEADER_OFFSET_BITS", "IN_FLIGHT_BITS", "IPV4_BITS",
    "LENGTH_BITS", "MSS_BITS", "SUPER_LENGTH_BITS", "Event", "LookupKey", "RxCompletion",
    "RxEvent", "RxLookedUp", "RxParsed", "SaCommand", "SaResponse", "TxDescriptor", "TxEvent",
    "TxSeqiv", "TxVerdict", "beat", "found_sa", "gcm_beat", "gcm_parameters", "ghash_lanes",
    "has_spare_lane", "hash_power_count", "hash_powers", "icv_bytes", "lookup_key",
    "received_sa", "sa_context", "struct",
]
