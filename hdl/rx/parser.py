"""The receive parser: is a frame ESP, and whose?"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import RxParsed, beat
from espnic.hdl.rx.header_fields import ETHERTYPE_OFFSET, Places, number_at
from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
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
    IcvSize,
    RxStatus,
)

HEADER_BYTES_MAX = (ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES + IPV6_HEADER_BYTES
                    + UDP_HEADER_BYTES + ESP_TEXT_OFFSET)
IHL_WITHOUT_OPTIONS = 5
KEEPALIVE_BYTE = 0xFF


RxHeader = data.StructLayout({
    "parsed": RxParsed, "iv": 64, "short": 1, "room": len(IcvSize)})
"""What the parser says of a frame.

``iv`` has its first byte in bits 63:56; ``short`` frames end before the IV does.
``room`` has a bit for each ``IcvSize``: the ESP packet is long enough for header, IV,
the end of a trailer and an ICV of that size.
"""


class RxParser(wiring.Component):
    """Find the ESP header of a frame and what the SA look-up needs.

    Looks at Ethernet with at most one VLAN tag, IPv4 without options, IPv6
    without extension headers, UDP port 4500 (RFC 3948) and ESP (RFC 4303, 2).
    The first check that fails, in the order of ``RxStatus``'s description in
    docs/behaviour.md, gives the status; a header byte that a check needs and
    the frame does not have gives TRUNCATED.

    Latency 3 clocks from the beat that completes the headers up to the IV, or
    from the frame's last beat if that comes first. One beat each clock, also
    when every frame is a single beat.

    Parameters
    ----------
    width : int
        Bits of a beat.
    ipv6 : bool
        Look into IPv6. Without, its EtherType is none to know: NOT_IP.

    Members
    -------
    i : In(stream.Signature(beat(width), always_ready=True))
        Frames.
    o : Out(stream.Signature(RxHeader, always_ready=True))
        One a frame, in order.
    """

    def __init__(self, width: int, ipv6: bool = True):
        self.width = width
        self.ipv6 = ipv6
        super().__init__({
            "i": In(stream.Signature(beat(width), always_ready=True)),
            "o": Out(stream.Signature(RxHeader, always_ready=True)),
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

        # The choice of places waits for these, so they are compared as they come.
        first_type, second_type = (
            {value: Signal(name=f"{name}_is_{value:04x}") for value in values}
            for name, values in (("first", (ETHERTYPE_VLAN, ETHERTYPE_IPV4, ETHERTYPE_IPV6)),
                                 ("second", (ETHERTYPE_IPV4, ETHERTYPE_IPV6))))
        for offset, types in ((ETHERTYPE_OFFSET, first_type),
                              (ETHERTYPE_OFFSET + VLAN_TAG_BYTES, second_type)):
            number, place = divmod(offset, beat_bytes)
            arriving = number_at(data.View(
                data.ArrayLayout(8, beat_bytes), self.i.payload.data), place, 2)
            with m.If(self.i.valid & (slot == number)):
                m.d.sync += [found.eq(arriving == value) for value, found in types.items()]

        vlan, ipv4, ipv6, udp = (Signal(name=name) for name in ("vlan", "ipv4", "ipv6", "udp"))
        places = Places(octets, vlan, ipv6)
        enough = Signal()
        complete = Signal()
        m.d.comb += [
            vlan.eq(first_type[ETHERTYPE_VLAN]),
            ipv4.eq(Mux(vlan, second_type[ETHERTYPE_IPV4], first_type[ETHERTYPE_IPV4])),
            # Without IPv6 all that follows from it is constant, and goes in synthesis.
            ipv6.eq(self.ipv6 & Mux(vlan, second_type[ETHERTYPE_IPV6], first_type[ETHERTYPE_IPV6])),
            udp.eq(places.protocol(lambda value: value == IPPROTO_UDP)),
            # Bytes that have not come yet can only ask for more, never for less than
            # what it takes to have them.
            enough.eq(Mux(
                udp,
                places.behind_ip(lambda l4: have >= l4 + UDP_HEADER_BYTES + ESP_TEXT_OFFSET),
                places.behind_ip(lambda l4: have >= l4 + ESP_TEXT_OFFSET))),
            complete.eq(fresh & ~done & (ended | enough)),
        ]
        with m.If(self.i.valid & self.i.payload.first):
            m.d.sync += done.eq(0)
        with m.Elif(complete):
            m.d.sync += done.eq(1)
        return {"complete": complete, "places": places, "have": have, "vlan": vlan,
                "ipv4": ipv4, "ipv6": ipv6, "udp": udp}

    def select(self, m, header):
        """Second clock: pick the fields from the places that VLAN tag and IP version give."""
        places, have = header["places"], header["have"]
        fields = {name: Signal(bits, name=name) for name, bits in {
            "valid": 1, "ipv4": 1, "ipv6": 1, "vlan": 1, "udp": 1, "esp": 1, "fragment": 1,
            "extension": 1, "has_ethertype": 1, "has_l4": 1, "has_8": 1, "has_9": 1,
            "has_16": 1, "has_24": 1, "version": 4, "ihl": 4, "total_short": 1, "l4_length": 16,
            "destination": 128, "port_4500": 1, "udp_length": 16, "udp_short": 1, "udp_byte": 1,
            "udp_small": 1, "l4_words": 128, "behind_udp": 128,
        }.items()}
        total = Signal(17)
        udp_length = Signal(16)
        m.d.comb += [
            total.eq(places.behind_ethernet(lambda l3: places.number(l3 + 2, 2))
                     - IPV4_HEADER_BYTES),
            udp_length.eq(places.behind_ip(lambda l4: places.number(l4 + 4, 2))),
        ]
        m.d.sync += [fields[name].eq(header[name]) for name in ("ipv4", "ipv6", "vlan", "udp")]
        m.d.sync += [
            fields["valid"].eq(header["complete"]),
            fields["esp"].eq(places.protocol(lambda value: value == IPPROTO_ESP)),
            fields["fragment"].eq(Mux(
                header["ipv6"],
                places.protocol(lambda value: value == IPPROTO_FRAGMENT),
                places.behind_ethernet(lambda l3: (places.number(l3 + 6, 2) & 0x3FFF).any()))),
            fields["extension"].eq(places.protocol(
                lambda value: Cat(value == one for one in IPV6_EXTENSION_HEADERS).any())),
            fields["has_ethertype"].eq(places.behind_ethernet(lambda l3: have >= l3)),
            fields["has_l4"].eq(places.behind_ip(lambda l4: have >= l4)),
            fields["version"].eq(places.behind_ethernet(lambda l3: places.number(l3, 1)[4:])),
            fields["ihl"].eq(places.behind_ethernet(lambda l3: places.number(l3, 1)[:4])),
            fields["total_short"].eq(total[-1]),
            fields["l4_length"].eq(Mux(
                header["ipv6"],
                places.behind_ethernet(lambda l3: places.number(l3 + 4, 2)), total[:16])),
            fields["destination"].eq(Mux(
                header["ipv6"],
                places.behind_ethernet(lambda l3: places.number(l3 + 24, 16)),
                places.behind_ethernet(lambda l3: places.number(l3 + 16, 4)))),
            fields["port_4500"].eq(places.behind_ip(
                lambda l4: places.number(l4 + 2, 2) == UDP_PORT_ESP)),
            fields["udp_length"].eq(udp_length),
            fields["udp_short"].eq(udp_length < UDP_HEADER_BYTES),
            fields["udp_byte"].eq(udp_length == UDP_HEADER_BYTES + 1),
            fields["udp_small"].eq(udp_length <= UDP_HEADER_BYTES + ESP_HEADER_BYTES),
            fields["l4_words"].eq(places.behind_ip(lambda l4: places.number(l4, 16))),
            fields["behind_udp"].eq(places.behind_ip(
                lambda l4: places.number(l4 + UDP_HEADER_BYTES, 16))),
        ]
        for count in (8, 9, 16, 24):
            m.d.sync += fields[f"has_{count}"].eq(
                places.behind_ip(lambda l4, count=count: have >= l4 + count))
        return fields

    def decide(self, m, f):
        """Third clock: the checks in their order, those of a layer beside those of the next."""
        esp = Signal(128)
        m.d.comb += esp.eq(Mux(f["udp"], f["behind_udp"], f["l4_words"]))
        spi, sequence, iv = esp[96:128], esp[64:96], esp[0:64]

        ip_fails, ip_status = first_failure(m, "ip", self.ip_checks(f))
        udp_fails, udp_status = first_failure(m, "udp", self.udp_checks(f))
        esp_fails, esp_status = first_failure(m, "esp", self.esp_checks(f))
        least = [ESP_TEXT_OFFSET + ESP_TRAILER_MIN_BYTES + size.bytes for size in IcvSize]
        good = Signal()
        m.d.comb += good.eq(~ip_fails & ~Mux(f["udp"], udp_fails, esp_fails))

        o = self.o.payload
        m.d.sync += [
            self.o.valid.eq(f["valid"]),
            o.eq(0),
            o.parsed.status.eq(Mux(
                ip_fails, ip_status, Mux(f["udp"], udp_status, esp_status))),
        ]
        with m.If(good):
            m.d.sync += [
                o.parsed.esp_offset.eq(
                    ETHERNET_HEADER_BYTES + Mux(f["vlan"], VLAN_TAG_BYTES, 0)
                    + Mux(f["ipv6"], IPV6_HEADER_BYTES, IPV4_HEADER_BYTES)
                    + Mux(f["udp"], UDP_HEADER_BYTES, 0)),
                o.parsed.esp_bytes.eq(Mux(
                    f["udp"], f["udp_length"] - UDP_HEADER_BYTES, f["l4_length"])),
                o.parsed.sequence.eq(sequence),
                o.parsed.destination.eq(f["destination"]),
                o.parsed.ipv6.eq(f["ipv6"]),
                o.parsed.encapsulation.eq(
                    Mux(f["udp"], Encapsulation.UDP, Encapsulation.NONE)),
                o.parsed.spi.eq(spi),
                o.iv.eq(iv),
                o.short.eq(~Mux(f["udp"], f["has_24"], f["has_16"])),
                o.room.eq(Mux(
                    f["udp"],
                    Cat(f["udp_length"] >= UDP_HEADER_BYTES + count for count in least),
                    Cat(f["l4_length"] >= count for count in least))),
            ]

    def ip_checks(self, f):
        """Ethernet, and IPv4 or IPv6."""
        ipv4, ipv6 = f["ipv4"], f["ipv6"]
        return [
            (~f["has_ethertype"], RxStatus.TRUNCATED),
            (~ipv4 & ~ipv6, RxStatus.NOT_IP),
            (~f["has_l4"], RxStatus.TRUNCATED),
            (f["version"] != Mux(ipv6, 6, 4), RxStatus.BAD_HEADER),
            (ipv4 & (f["ihl"] < IHL_WITHOUT_OPTIONS), RxStatus.BAD_HEADER),
            (ipv4 & (f["ihl"] > IHL_WITHOUT_OPTIONS), RxStatus.IP_OPTIONS),
            (ipv4 & f["total_short"], RxStatus.BAD_HEADER),
            (f["fragment"], RxStatus.FRAGMENT),
            (ipv6 & f["extension"], RxStatus.EXT_HEADER),
        ]

    def udp_checks(self, f):
        """RFC 3948: what a UDP datagram to port 4500 holds."""
        behind = f["behind_udp"]
        return [
            (~f["has_8"], RxStatus.TRUNCATED),
            (~f["port_4500"], RxStatus.NOT_ESP),
            (f["udp_short"] | (f["udp_length"] > f["l4_length"]), RxStatus.BAD_HEADER),
            (f["udp_byte"] & ~f["has_9"], RxStatus.TRUNCATED),
            (f["udp_byte"] & (behind[120:128] == KEEPALIVE_BYTE), RxStatus.KEEPALIVE),
            (f["udp_small"], RxStatus.NON_ESP_MARKER),
            (~f["has_16"], RxStatus.TRUNCATED),
            (behind[96:128] == 0, RxStatus.NON_ESP_MARKER),
        ]

    def esp_checks(self, f):
        """ESP right behind IP."""
        return [
            (~f["esp"], RxStatus.NOT_ESP),
            (f["l4_length"] < ESP_HEADER_BYTES, RxStatus.SYNTAX),
            (~f["has_8"], RxStatus.TRUNCATED),
        ]


def first_failure(m, name: str, checks):
    """Whether any (condition, status) holds, and the status of the first that does, else OK."""
    conditions = Signal(len(checks), name=f"{name}_conditions")
    status = Signal(RxStatus, name=f"{name}_status")
    m.d.comb += conditions.eq(Cat(condition for condition, _ in checks))
    for number, (_, given) in reversed(list(enumerate(checks))):
        with m.If(conditions[number]):
            m.d.comb += status.eq(given)
    return conditions.any(), status
