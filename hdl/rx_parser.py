"""The receive parser: is a frame ESP, and whose?"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import RxParsed, beat
from model.codes import (
    ESP_HEADER_BYTES,
    ESP_IV_BYTES,
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    IPPROTO_ESP,
    IPPROTO_FRAGMENT,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_EXTENSION_HEADERS,
    IPV6_HEADER_BYTES,
    UDP_HEADER_BYTES,
    UDP_PORT_ESP,
    VLAN_TAG_BYTES,
    Encapsulation,
    RxStatus,
)

HEADER_BYTES_MAX = (ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES + IPV6_HEADER_BYTES
                    + UDP_HEADER_BYTES + ESP_HEADER_BYTES + ESP_IV_BYTES)
IHL_WITHOUT_OPTIONS = 5
KEEPALIVE_BYTE = 0xFF


def rx_header() -> data.StructLayout:
    """What the parser says of a frame.

    ``iv`` has its first byte in bits 63:56; ``short`` frames end before the IV does.
    """
    return data.StructLayout({"parsed": RxParsed, "iv": 64, "short": 1})


class RxParser(wiring.Component):
    """Find the ESP header of a frame and what the SA look-up needs.

    Looks at Ethernet with at most one VLAN tag, IPv4 without options, IPv6
    without extension headers, UDP port 4500 (RFC 3948) and ESP (RFC 4303, 2).
    The first check that fails, in the order of ``RxStatus``'s description in
    docs/architecture.md, gives the status; a header byte that a check needs and
    the frame does not have gives TRUNCATED.

    Latency 3 clocks from the beat that completes the headers up to the IV, or
    from the frame's last beat if that comes first. One beat each clock, also
    when every frame is a single beat.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width), always_ready=True))
        Frames.
    o : Out(stream.Signature(rx_header(), always_ready=True))
        One a frame, in order.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width), always_ready=True)),
            "o": Out(stream.Signature(rx_header(), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        header = self.collect(m)
        fields = self.select(m, header)
        self.decide(m, fields)
        return m

    def collect(self, m):
        """First clock: gather the beats until the headers are complete or the frame ends."""
        beat_bytes = self.width // 8
        beats = -(-HEADER_BYTES_MAX // beat_bytes)
        octets = Signal(data.ArrayLayout(8, beats * beat_bytes))
        have = Signal(range(beats * beat_bytes + 1))
        ended = Signal()
        fresh = Signal()
        done = Signal()
        index = Signal(range(beats + 1))
        slot = Signal(range(beats + 1))

        m.d.comb += slot.eq(Mux(self.i.payload.first, 0, index))
        m.d.sync += fresh.eq(0)
        with m.If(self.i.valid & (slot != beats)):
            for number in range(beats):
                with m.If(slot == number):
                    m.d.sync += [
                        Value.cast(octets)[number * self.width:(number + 1) * self.width]
                        .eq(self.i.payload.data),
                        have.eq(number * beat_bytes + self.i.payload.count),
                    ]
            m.d.sync += [fresh.eq(1), ended.eq(self.i.payload.last), index.eq(slot + 1)]

        complete = Signal()
        vlan, ipv6, udp = Signal(), Signal(), Signal()
        l3 = Mux(vlan, ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES, ETHERNET_HEADER_BYTES)
        ethertype = Mux(vlan, number_at(octets, 16, 2), number_at(octets, 12, 2))
        protocol = Mux(
            ipv6,
            Mux(vlan, octets[18 + 6], octets[14 + 6]),
            Mux(vlan, octets[18 + 9], octets[14 + 9]))
        needs = Signal(range(HEADER_BYTES_MAX + 1))
        is_ipv4 = Signal()
        m.d.comb += [
            vlan.eq(number_at(octets, 12, 2) == ETHERTYPE_VLAN),
            is_ipv4.eq(ethertype == ETHERTYPE_IPV4),
            ipv6.eq(ethertype == ETHERTYPE_IPV6),
            udp.eq(protocol == IPPROTO_UDP),
            # Bytes that have not come yet can only ask for more, never for less than
            # what it takes to have them.
            needs.eq(l3 + Mux(ipv6, IPV6_HEADER_BYTES, IPV4_HEADER_BYTES)
                     + Mux(udp, UDP_HEADER_BYTES, 0) + ESP_HEADER_BYTES + ESP_IV_BYTES),
            complete.eq(fresh & ~done & (ended | (have >= needs))),
        ]
        with m.If(self.i.valid & self.i.payload.first):
            m.d.sync += done.eq(0)
        with m.Elif(complete):
            m.d.sync += done.eq(1)
        return {"complete": complete, "octets": octets, "have": have, "vlan": vlan,
                "ipv4": is_ipv4, "ipv6": ipv6, "udp": udp, "protocol": protocol}

    def select(self, m, header):
        """Second clock: pick the fields from the places that VLAN tag and IP version give."""
        octets, have = header["octets"], header["have"]
        vlan, ipv6 = header["vlan"], header["ipv6"]

        def at_l3(offset, count):
            return Mux(vlan, number_at(octets, 18 + offset, count),
                       number_at(octets, 14 + offset, count))

        def at_l4(offset, count):
            return Mux(ipv6, at_l3(IPV6_HEADER_BYTES + offset, count),
                       at_l3(IPV4_HEADER_BYTES + offset, count))

        fields = {name: Signal(bits, name=name) for name, bits in {
            "valid": 1, "ipv4": 1, "ipv6": 1, "vlan": 1, "udp": 1, "esp": 1, "fragment_header": 1,
            "extension": 1, "has_ethertype": 1, "has_l3": 1, "l4_have": 8, "version": 4, "ihl": 4,
            "total_length": 16, "payload_length": 16, "fragment": 1, "destination": 128,
            "udp_port": 16, "udp_length": 16, "l4_words": 128, "behind_udp": 128,
        }.items()}
        l3 = Mux(vlan, ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES, ETHERNET_HEADER_BYTES)
        l4 = Signal(range(HEADER_BYTES_MAX))
        protocol = header["protocol"]
        m.d.comb += l4.eq(l3 + Mux(ipv6, IPV6_HEADER_BYTES, IPV4_HEADER_BYTES))
        m.d.sync += [
            fields["valid"].eq(header["complete"]),
            fields["ipv4"].eq(header["ipv4"]),
            fields["ipv6"].eq(ipv6),
            fields["vlan"].eq(vlan),
            fields["udp"].eq(header["udp"]),
            fields["esp"].eq(protocol == IPPROTO_ESP),
            fields["fragment_header"].eq(protocol == IPPROTO_FRAGMENT),
            fields["extension"].eq(
                Cat(protocol == value for value in IPV6_EXTENSION_HEADERS).any()),
            fields["has_ethertype"].eq(have >= l3),
            fields["has_l3"].eq(have >= l4),
            fields["l4_have"].eq(Mux(have >= l4, have - l4, 0)),
            fields["version"].eq(at_l3(0, 1)[4:]),
            fields["ihl"].eq(at_l3(0, 1)[:4]),
            fields["total_length"].eq(at_l3(2, 2)),
            fields["payload_length"].eq(at_l3(4, 2)),
            fields["fragment"].eq((at_l3(6, 2) & 0x3FFF).any()),
            fields["destination"].eq(Mux(ipv6, at_l3(24, 16), at_l3(16, 4))),
            fields["udp_port"].eq(at_l4(2, 2)),
            fields["udp_length"].eq(at_l4(4, 2)),
            fields["l4_words"].eq(at_l4(0, 16)),
            fields["behind_udp"].eq(at_l4(UDP_HEADER_BYTES, 16)),
        ]
        return fields

    def decide(self, m, f):
        """Third clock: the checks in their order."""
        l4_length = Signal(17)
        esp_bytes = Signal(16)
        esp_have = Signal(8)
        esp = Signal(128)
        udp_payload = Signal(16)
        status = Signal(RxStatus)
        m.d.comb += [
            l4_length.eq(Mux(f["ipv6"], f["payload_length"],
                             f["total_length"] - IPV4_HEADER_BYTES)),
            udp_payload.eq(f["udp_length"] - UDP_HEADER_BYTES),
            esp_bytes.eq(Mux(f["udp"], udp_payload, l4_length)),
            esp_have.eq(Mux(f["udp"], Mux(f["l4_have"] > UDP_HEADER_BYTES,
                                          f["l4_have"] - UDP_HEADER_BYTES, 0), f["l4_have"])),
            esp.eq(Mux(f["udp"], f["behind_udp"], f["l4_words"])),
        ]
        spi, sequence, iv = esp[96:128], esp[64:96], esp[0:64]

        with m.If(~f["has_ethertype"]):
            m.d.comb += status.eq(RxStatus.TRUNCATED)
        with m.Elif(~f["ipv4"] & ~f["ipv6"]):
            m.d.comb += status.eq(RxStatus.NOT_IP)
        with m.Elif(~f["has_l3"]):
            m.d.comb += status.eq(RxStatus.TRUNCATED)
        with m.Elif(f["version"] != Mux(f["ipv6"], 6, 4)):
            m.d.comb += status.eq(RxStatus.BAD_HEADER)
        with m.Elif(f["ipv4"] & (f["ihl"] < IHL_WITHOUT_OPTIONS)):
            m.d.comb += status.eq(RxStatus.BAD_HEADER)
        with m.Elif(f["ipv4"] & (f["ihl"] > IHL_WITHOUT_OPTIONS)):
            m.d.comb += status.eq(RxStatus.IP_OPTIONS)
        with m.Elif(f["ipv4"] & (f["total_length"] < IPV4_HEADER_BYTES)):
            m.d.comb += status.eq(RxStatus.BAD_HEADER)
        with m.Elif(Mux(f["ipv6"], f["fragment_header"], f["fragment"])):
            m.d.comb += status.eq(RxStatus.FRAGMENT)
        with m.Elif(f["ipv6"] & f["extension"]):
            m.d.comb += status.eq(RxStatus.EXT_HEADER)
        with m.Elif(f["udp"]):
            m.d.comb += status.eq(self.udp_status(m, f, l4_length, esp))
        with m.Elif(~f["esp"]):
            m.d.comb += status.eq(RxStatus.NOT_ESP)
        with m.Elif(l4_length < ESP_HEADER_BYTES):
            m.d.comb += status.eq(RxStatus.SYNTAX)
        with m.Elif(esp_have < ESP_HEADER_BYTES):
            m.d.comb += status.eq(RxStatus.TRUNCATED)
        with m.Else():
            m.d.comb += status.eq(RxStatus.OK)

        o = self.o.payload
        m.d.sync += [
            self.o.valid.eq(f["valid"]),
            o.eq(0),
            o.parsed.status.eq(status),
        ]
        with m.If(status == RxStatus.OK):
            m.d.sync += [
                o.parsed.esp_offset.eq(
                    ETHERNET_HEADER_BYTES + Mux(f["vlan"], VLAN_TAG_BYTES, 0)
                    + Mux(f["ipv6"], IPV6_HEADER_BYTES, IPV4_HEADER_BYTES)
                    + Mux(f["udp"], UDP_HEADER_BYTES, 0)),
                o.parsed.esp_bytes.eq(esp_bytes),
                o.parsed.sequence.eq(sequence),
                o.parsed.destination.eq(f["destination"]),
                o.parsed.ipv6.eq(f["ipv6"]),
                o.parsed.encapsulation.eq(
                    Mux(f["udp"], Encapsulation.UDP, Encapsulation.NONE)),
                o.parsed.spi.eq(spi),
                o.iv.eq(iv),
                o.short.eq(esp_have < ESP_HEADER_BYTES + ESP_IV_BYTES),
            ]

    def udp_status(self, m, f, l4_length, esp):
        """RFC 3948: what a UDP datagram to port 4500 holds."""
        status = Signal(RxStatus)
        behind = f["l4_have"]
        length = f["udp_length"]
        with m.If(behind < UDP_HEADER_BYTES):
            m.d.comb += status.eq(RxStatus.TRUNCATED)
        with m.Elif(f["udp_port"] != UDP_PORT_ESP):
            m.d.comb += status.eq(RxStatus.NOT_ESP)
        with m.Elif((length < UDP_HEADER_BYTES) | (length > l4_length)):
            m.d.comb += status.eq(RxStatus.BAD_HEADER)
        with m.Elif((length == UDP_HEADER_BYTES + 1) & (behind < UDP_HEADER_BYTES + 1)):
            m.d.comb += status.eq(RxStatus.TRUNCATED)
        with m.Elif((length == UDP_HEADER_BYTES + 1) & (esp[120:128] == KEEPALIVE_BYTE)):
            m.d.comb += status.eq(RxStatus.KEEPALIVE)
        with m.Elif(length <= UDP_HEADER_BYTES + ESP_HEADER_BYTES):
            m.d.comb += status.eq(RxStatus.NON_ESP_MARKER)
        with m.Elif(behind < UDP_HEADER_BYTES + ESP_HEADER_BYTES):
            m.d.comb += status.eq(RxStatus.TRUNCATED)
        with m.Elif(esp[96:128] == 0):
            m.d.comb += status.eq(RxStatus.NON_ESP_MARKER)
        with m.Else():
            m.d.comb += status.eq(RxStatus.OK)
        return status


def number_at(octets, offset: int, count: int) -> Value:
    """The big-endian number of ``count`` header bytes at ``offset``."""
    return Cat(*(octets[offset + index] for index in reversed(range(count))))
