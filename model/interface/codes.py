"""Status codes, operations and sizes: one definition for the model, the RTL and the driver."""

from enum import IntEnum, IntFlag

STATUS_BITS = 5
"""Width of an ``RxStatus`` or ``TxStatus`` in bits."""


class RxStatus(IntEnum):
    """Verdict on a received frame.

    Only a frame with ``OK`` is changed: with every other status it leaves as it came.
    """

    OK = 0
    """Authentic and decrypted in place."""
    AUTH_FAILED = 1
    """The ICV is not the one that the frame should have."""
    BAD_TRAILER = 2
    """Authentic, but pad length + 2 is not less than the decrypted length (RFC 4303, 2.4)."""
    SYNTAX = 3
    """The lengths leave no room for ESP header, IV, trailer and ICV."""
    TRUNCATED = 4
    """The frame ends before its headers or its IP length do."""
    NOT_IP = 5
    """The EtherType, after at most one VLAN tag, is neither IPv4 nor IPv6; or it is IPv6 in a
    build without IPv6."""
    BAD_HEADER = 6
    """The IP version, the IPv4 header length or a length field cannot be right."""
    IP_OPTIONS = 7
    """IPv4 header longer than 20 bytes."""
    FRAGMENT = 8
    """IPv4 fragment or IPv6 fragment header."""
    EXT_HEADER = 9
    """IPv6 extension header in front of ESP."""
    NOT_ESP = 10
    """Neither ESP nor UDP to a port of ESP, mostly 4500."""
    KEEPALIVE = 11
    """NAT keepalive, one byte FFh (RFC 3948, 2.3)."""
    NON_ESP_MARKER = 12
    """UDP to a port of ESP that is IKE: four zero bytes, or too short for ESP (RFC 3948, 2.2)."""
    NO_SA = 13
    """No SA for this destination, SPI and protocol."""
    OVERSIZE = 14
    """Longer than ``FRAME_BYTES_MAX``: not kept. The only status whose frame does not leave."""
    LATE = 15
    """Sequence number 0, or left of the device's replay window, whatever the ICV is."""
    REPLAYED = 16
    """In the device's replay window, and received before, whatever the ICV is."""
    EXPIRED = 17
    """The SA had reached a hard limit, whatever the ICV is."""
    BAD_UDP_CHECKSUM = 18
    """The checksum of the UDP header in front of ESP is wrong: not opened."""
    SA_GONE = 19
    """The SA was erased while the frame was inside: not opened."""
    FAULT = 20
    """A memory of the SA tables gave a wrong row, or the cipher has failed its self-test: not
    opened."""
    BAD_FRAME = 21
    """The MAC found the frame bad, as by its FCS: not opened, whatever else it is, and nothing that
    it says counts."""


class TxStatus(IntEnum):
    """Verdict on a request to send. Everything above ``BYPASSED`` is a drop."""

    SEALED = 0
    """Encrypted and sent."""
    BYPASSED = 1
    """Sent without encryption, because the descriptor asked for none."""
    DROP_NO_SA = 2
    """The SA handle is 0, out of range or not in use."""
    DROP_SPI = 3
    """The SPI in the frame is not the SA's."""
    DROP_SEQUENCE = 4
    """Sequence number 0, or above 2^32 - 1 without ESN: the counter would wrap."""
    DROP_SYNTAX = 5
    """ESP offset or lengths do not fit the frame, or the payload does not end on 4 bytes."""
    DROP_OVERSIZE = 6
    """Longer than ``FRAME_BYTES_MAX``, without a segmentation request."""
    DROP_TRAILER = 7
    """The pad of the trailer in the frame begins before the text, or within the bytes that the
    checksum covers; or a super-frame to be encrypted has a trailer."""
    DROP_OFFSETS = 8
    """Header offsets point outside the frame or into each other, or are not 2 modulo 4; or the
    bytes that the checksum covers do not end within the frame."""
    DROP_LSO_OVERSIZE = 9
    """A super-frame longer than ``SUPER_FRAME_BYTES_MAX``."""
    DROP_LSO_PROTOCOL = 10
    """A super-frame that is neither TCP nor UDP."""
    DROP_LSO_HEADER = 11
    """The headers of a super-frame are longer than the super-frame."""
    DROP_LSO_PAYLOAD = 12
    """A super-frame of headers only."""
    DROP_LSO_MSS = 13
    """MSS 0, or so large that headers and MSS do not fit ``FRAME_BYTES_MAX``."""
    DROP_LSO_SEQUENCE = 14
    """The sequence numbers of the segments would wrap at 2^64, or at 2^32 without ESN."""
    DROP_EXPIRED = 15
    """The SA had reached a hard limit."""
    DROP_UNSUPPORTED = 16
    """The request needs a part that this build does not have, such as segmentation."""
    DROP_OPERATION = 17
    """The operation is not a ``TxOperation``."""
    DROP_RESERVED = 18
    """A reserved bit of the descriptor is not 0."""
    DROP_LATE = 19
    """A sequence number is too old for the device to know that it was not sealed before."""
    DROP_REPEATED = 20
    """A sequence number was sealed before."""
    DROP_SA_GONE = 21
    """The SA was erased while the request was inside."""
    DROP_FAULT = 22
    """A memory of the SA tables gave a wrong row, or the cipher has failed its self-test."""


OPERATION_BITS = 4
"""Width of a ``TxOperation`` in bits."""


class TxOperation(IntEnum):
    """Operation that a transmit descriptor asks for; every other code is dropped.

    All bits of the two codes differ, and 0 is neither: no stray bit, and no beat that carries no
    descriptor, turns a frame to be sealed into one that leaves in clear.
    """

    BYPASS = 0b0101
    """Send the frame without encryption."""
    ENCRYPT = 0b1010
    """Seal the frame."""


class RxChecksum(IntEnum):
    """State of the TCP or UDP checksum of a frame that the device did not decrypt."""

    NONE = 0
    """Not checked: neither TCP nor UDP, a fragment, options, a UDP checksum of 0, decrypted."""
    GOOD = 1
    BAD = 2


class KeySize(IntEnum):
    """Size of an AES key."""

    AES128 = 0
    AES192 = 1
    AES256 = 2

    @property
    def bytes(self) -> int:
        """Length of the AES key in bytes: 16, 24 or 32."""
        return 16 + 8 * self


KEY_BYTES = tuple(size.bytes for size in KeySize)
"""Lengths that an AES key can have, in bytes."""


class IcvSize(IntEnum):
    """Size of an ICV."""

    ICV8 = 0
    ICV12 = 1
    ICV16 = 2

    @property
    def bytes(self) -> int:
        """Length of the ICV on the wire in bytes: 8, 12 or 16."""
        return 8 + 4 * self


ICV_SIZES = {8 * size.bytes: size for size in IcvSize}
"""ICV sizes by their length in bits, as users give it: 64, 96 or 128."""


class SaDirection(IntEnum):
    """The side of the device that an SA serves."""

    RX = 0
    """Side that opens received frames."""
    TX = 1
    """Side that seals frames to send."""


SIDES = tuple(direction.name.lower() for direction in SaDirection)
"""The device's sides as the names of counters, trace points and files begin: "rx" and "tx"."""


class SaOperation(IntEnum):
    """Operation of an SA command."""

    ADD = 1
    """Take an SA under a free handle."""
    DELETE = 2
    """Let no packet find the SA any more; its handle stays taken until FREE."""
    MODIFY = 3
    """Change the fields that ``SaSelect`` names."""
    READ = 4
    """Read back all but the keys; a deleted SA can be read too."""
    FREE = 5
    """Erase a deleted SA, keys and all, when no frame that found it is in flight any more."""
    FLUSH = 6
    """Erase all SAs of both directions. Handle and direction do not matter."""


class SaSelect(IntFlag):
    """The fields that a MODIFY changes; all others stay as they are."""

    NOTHING = 0
    """No field: MODIFY refuses it."""
    ESN = 1
    """``esn_high`` and ``esn_overlap`` of a receive SA (RFC 4303, appendix A)."""
    SOFT = 2
    """The soft limits."""
    HARD = 4
    """The hard limits."""


SELECT_MAX = int(SaSelect.ESN | SaSelect.SOFT | SaSelect.HARD)
"""All bits of SaSelect that have a meaning; an SA command with a higher one is EINVAL."""


class SaResult(IntEnum):
    """Result of an SA command, with the errno name that a Linux driver returns for it."""

    OK = 0
    EINVAL = 1
    """Handle 0 or out of range; an unknown operation, key size, ICV size or window size; an SPI or
    address that no SA can have; nothing to modify, or a field that the SA does not have."""
    EEXIST = 2
    """The handle is taken, or another SA has this destination, SPI and protocol."""
    ENOSPC = 3
    """The look-up table has no free place."""
    ENOENT = 4
    """The handle names no SA, or one that is deleted (but READ and FREE take a deleted SA)."""
    EBUSY = 5
    """The SA to be freed is not deleted, or frames that may have found it are in flight."""
    EOPNOTSUPP = 6
    """This build lacks what the SA needs: its direction, IPv6 or so large a replay window."""
    EIO = 7
    """A memory of the SA tables gave a wrong row, or the cipher has failed its self-test."""


class EventKind(IntEnum):
    """Kind of an event in the device's queue."""

    SOFT_LIMIT = 0
    """The packets or bytes of an SA have reached a soft limit."""
    HARD_LIMIT = 1
    """The packets or bytes of an SA have reached a hard limit: the SA serves no more."""
    ESN_HALF = 2
    """The highest sequence number of a receive SA has crossed a multiple of 2^31."""
    AUTH_BURST = 3
    """Many frames within a short time failed authentication."""
    REPEATED = 4
    """A request asked to seal a sequence number that was sealed before, or is too old to know."""
    MEMORY_FAULT = 5
    """A memory of the SA tables gave a wrong row. ``sequence`` is the ``SaMemory``."""
    SELF_TEST_FAILED = 6
    """The cipher of a direction gave another answer than the one that is known."""


class SaMemory(IntEnum):
    """A memory of the SA tables, as a MEMORY_FAULT event names it."""

    STATE = 0
    """All that the datapath reads of an SA when it finds it, but for its secrets."""
    SECRET = 1
    """Keys, salts and powers of H."""
    RECORD = 2
    """All that commands read of an SA."""
    LOOKUP = 3
    """The receive look-up table."""
    USAGE = 4
    """Counts and limits."""
    REPLAY = 5
    """Replay windows."""
    SENT = 6
    """Numbers that were sealed."""


EVENT_QUEUE_DEPTH = 64
"""Number of events that the device keeps for software; further events are counted and lost."""


class ReplayWindow(IntEnum):
    """Size of the replay window that the device keeps for a receive SA."""

    NONE = 0
    """Software keeps the window."""
    W32 = 1
    W64 = 2
    W128 = 3
    W256 = 4
    W512 = 5
    W1024 = 6
    W2048 = 7
    W4096 = 8

    @property
    def packets(self) -> int:
        """Size in packets: 0 for none, else 32 to 4,096."""
        return 16 << self if self else 0


class Encapsulation(IntEnum):
    """The protocol that carries ESP, a part of the receive look-up key."""

    NONE = 0
    """IP protocol 50."""
    UDP = 1
    """UDP to a port of ESP, mostly 4500 (RFC 3948)."""


FRAME_BYTES_MAX = 9600
"""Length of the longest frame taken, from the Ethernet header on: a 9,000-byte packet and all
headers.

A multiple of every bus width, so that a frame is too long exactly when its last allowed
beat is not its last.
"""

SUPER_FRAME_BYTES_MAX = 65536 + 256
"""Length of the longest super-frame taken for segmentation: 64 KiB and the longest headers, whose
length has 8 bits.

A multiple of every bus width, as ``FRAME_BYTES_MAX`` is.
"""

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_VLAN = 0x8100
ETHERTYPE_SERVICE_VLAN = 0x88A8
VLAN_ETHERTYPES = (ETHERTYPE_VLAN, ETHERTYPE_SERVICE_VLAN)
"""EtherTypes of VLAN tags: of a customer, which the device looks behind, and of a service."""

IPPROTO_HOPOPTS = 0
IPPROTO_IPIP = 4
IPPROTO_TCP = 6
IPPROTO_UDP = 17
IPPROTO_IPV6 = 41
IPPROTO_ROUTING = 43
IPPROTO_FRAGMENT = 44
IPPROTO_ESP = 50
IPPROTO_AH = 51
IPPROTO_NONE = 59
IPPROTO_DSTOPTS = 60

IPV6_EXTENSION_HEADERS = (IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_AH, IPPROTO_DSTOPTS)

UDP_PORT_ESP = 4500
ESP_PORTS = 4
"""Number of UDP ports to which ESP may be sent."""

ETHERNET_HEADER_BYTES = 14
VLAN_TAG_BYTES = 4
IPV4_HEADER_BYTES = 20
IPV6_HEADER_BYTES = 40
UDP_HEADER_BYTES = 8
TCP_HEADER_BYTES = 20
ESP_HEADER_BYTES = 8
ESP_IV_BYTES = 8
ESP_TEXT_OFFSET = ESP_HEADER_BYTES + ESP_IV_BYTES
"""Bytes from the start of the ESP header to the text that is encrypted."""
ESP_TRAILER_MIN_BYTES = 2
ESP_ALIGNMENT_BYTES = 4

AES_BLOCK_BYTES = 16
AES_ROUNDS_MAX = 14
