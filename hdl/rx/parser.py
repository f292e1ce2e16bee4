"""The receive parser: find ESP in a frame, and the key of its SA."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.first_failure import first_failure
from espnic.hdl.layouts import EspPorts, RxParsed, beat
from espnic.hdl.rx.header_fields import Places, number_at
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
    VLAN_TAG_BYTES,
    Encapsulation,
    IcvSize,
    RxStatus,
)
from espnic.model.interface.headers import (
    ETHERTYPE_AT,
    IPV4_DESTINATION_AT,
    IPV4_FRAGMENT_AT,
    IPV4_FRAGMENT_MASK,
    IPV4_LENGTH_AT,
    IPV4_WORDS,
    IPV6_DESTINATION_AT,
    IPV6_LENGTH_AT,
    UDP_DESTINATION_PORT_AT,
    UDP_LENGTH_AT,
)
from espnic.model.interface.registers import PORT_BITS

HEADER_BYTES_MAX = (ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES + IPV6_HEADER_BYTES
                    + UDP_HEADER_BYTES + ESP_TEXT_OFFSET)
KEEPALIVE_BYTE = 0xFF


RxHeader = data.StructLayout({
    "parsed": RxParsed, "iv": 64, "short": 1, "room": len(IcvSize)})
"""Result of the parser for a frame.

``iv`` has its first byte in bits 63:56; a ``short`` frame ends before its IV does.
``room`` has a bit for each ``IcvSize``: the ESP packet is long enough for header, IV,
the end of a trailer and an ICV of that size.
"""


class RxParser(wiring.Component):
    """Find the ESP header of a frame and what the SA look-up needs.

    Understands Ethernet with at most one VLAN tag, IPv4 without options, IPv6
    without extension headers, UDP to a port of ESP (RFC 3948) and ESP (RFC 4303, 2).
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
        Parse IPv6. Without, its EtherType is unknown: NOT_IP.

    Members
    -------
    i : In(stream.Signature(beat(width), always_ready=True))
        Frames.
    esp_ports : In(EspPorts)
        UDP ports of ESP, 0 is none. They count as they are 1 clock after the beat with which the
        headers are complete.
    o : Out(stream.Signature(RxHeader, always_ready=True))
        One per frame, in order.
    """

    def __init__(self, width: int, ipv6: bool = True):
        self.width = width
        self.ipv6 = ipv6
        super().__init__({
            "i": In(stream.Signature(beat(width), always_ready=True)),
            "esp_ports": In(EspPorts),
            "o": Out(stream.Signature(RxHeader, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        header = self._collect(m)
        fields = self._select(m, header)
        self._decide(m, fields)
        return m

    def _collect(self, m):
        """First clock: gather the beats until the headers are complete or the frame ends."""
        beat_bytes = self.width // 8
        beats = -(-HEADER_BYTES_MAX // beat_bytes)
        octets = Signal(data.ArrayLayout(8, beats * beat_bytes))
        have = Signal(range(beats * beat_bytes + 1))
        ended = Signal()
        fresh = Signal()
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

        vlan, ipv4, ipv6 = self._find_types(m, slot)
        udp = Signal()
        places = Places(octets, vlan, ipv6)
        m.d.comb += udp.eq(places.protocol(lambda value: value == IPPROTO_UDP))
        # Bytes that have not come yet can only ask for more, never for less than
        # what it takes to have them.
        enough = Mux(
            udp,
            places.behind_ip(lambda l4: have >= l4 + UDP_HEADER_BYTES + ESP_TEXT_OFFSET),
            places.behind_ip(lambda l4: have >= l4 + ESP_TEXT_OFFSET))
        complete = self._once(m, fresh, ended | enough)
        return {"complete": complete, "places": places, "have": have, "vlan": vlan,
                "ipv4": ipv4, "ipv6": ipv6, "udp": udp}

    def _once(self, m, fresh, suffices):
        """Whether the headers are complete for the first time in their frame."""
        done = Signal()
        complete = Signal()
        m.d.comb += complete.eq(fresh & ~done & suffices)
        with m.If(self.i.valid & self.i.payload.first):
            m.d.sync += done.eq(0)
        with m.Elif(complete):
            m.d.sync += done.eq(1)
        return complete

    def _find_types(self, m, slot):
        """Whether there is a VLAN tag, and IPv4 or IPv6 after Ethernet and the tag.

        The choice of places waits for the EtherTypes, so they are compared as they come.
        """
        first_type, second_type = (
            {value: Signal(name=f"{name}_is_{value:04x}") for value in values}
            for name, values in (("first", (ETHERTYPE_VLAN, ETHERTYPE_IPV4, ETHERTYPE_IPV6)),
                                 ("second", (ETHERTYPE_IPV4, ETHERTYPE_IPV6))))
        beat_bytes = self.width // 8
        octets = data.View(data.ArrayLayout(8, beat_bytes), self.i.payload.data)
        for offset, types in ((ETHERTYPE_AT, first_type),
                              (ETHERTYPE_AT + VLAN_TAG_BYTES, second_type)):
            number, place = divmod(offset, beat_bytes)
            arriving = number_at(octets, place, 2)
            with m.If(self.i.valid & (slot == number)):
                m.d.sync += [found.eq(arriving == value) for value, found in types.items()]

        vlan, ipv4, ipv6 = (Signal(name=name) for name in ("vlan", "ipv4", "ipv6"))
        m.d.comb += [
            vlan.eq(first_type[ETHERTYPE_VLAN]),
            ipv4.eq(Mux(vlan, second_type[ETHERTYPE_IPV4], first_type[ETHERTYPE_IPV4])),
            # Without IPv6 all that follows from it is constant, and goes in synthesis.
            ipv6.eq(self.ipv6 & Mux(vlan, second_type[ETHERTYPE_IPV6], first_type[ETHERTYPE_IPV6])),
        ]
        return vlan, ipv4, ipv6

    def _select(self, m, header):
        """Second clock: pick the fields from the places that VLAN tag and IP version give.

        Each is a register of the name of its field.
        """
        places, have = header["places"], header["have"]
        made = {
            "valid": header["complete"],
            **{name: header[name] for name in ("ipv4", "ipv6", "vlan", "udp")},
            "has_ethertype": places.behind_ethernet(lambda l3: have >= l3),
            "has_l4": places.behind_ip(lambda l4: have >= l4),
            **{f"has_{count}": places.behind_ip(lambda l4, count=count: have >= l4 + count)
               for count in (8, 9, 16, 24)},
            **self._ip_fields(m, places, header["ipv6"]),
            **self._l4_fields(m, places),
        }
        fields = {name: Signal(Value.cast(value).shape(), name=name)
                  for name, value in made.items()}
        m.d.sync += [fields[name].eq(value) for name, value in made.items()]
        return fields

    def _ip_fields(self, m, places, ipv6):
        """Fields of the IP header, and what follows from them."""
        total = Signal(17)
        m.d.comb += total.eq(
            places.behind_ethernet(lambda l3: places.number(l3 + IPV4_LENGTH_AT, 2))
            - IPV4_HEADER_BYTES)
        return {
            "esp": places.protocol(lambda value: value == IPPROTO_ESP),
            "fragment": Mux(
                ipv6,
                places.protocol(lambda value: value == IPPROTO_FRAGMENT),
                places.behind_ethernet(lambda l3: (
                    places.number(l3 + IPV4_FRAGMENT_AT, 2) & IPV4_FRAGMENT_MASK).any())),
            "extension": places.protocol(
                lambda value: Cat(value == one for one in IPV6_EXTENSION_HEADERS).any()),
            "version": places.behind_ethernet(lambda l3: places.number(l3, 1)[4:]),
            "ihl": places.behind_ethernet(lambda l3: places.number(l3, 1)[:4]),
            "total_short": total[-1],
            "l4_length": Mux(
                ipv6,
                places.behind_ethernet(lambda l3: places.number(l3 + IPV6_LENGTH_AT, 2)),
                total[:16]),
            "destination": Mux(
                ipv6,
                places.behind_ethernet(lambda l3: places.number(l3 + IPV6_DESTINATION_AT, 16)),
                places.behind_ethernet(lambda l3: places.number(l3 + IPV4_DESTINATION_AT, 4))),
        }

    def _l4_fields(self, m, places):
        """Fields of what follows IP, and what follows from them."""
        udp_length = Signal(16)
        port = Signal(PORT_BITS)
        # Here the place is chosen first: a comparison for each place would be four times as many.
        m.d.comb += port.eq(places.behind_ip(
            lambda l4: places.number(l4 + UDP_DESTINATION_PORT_AT, 2)))
        m.d.comb += udp_length.eq(
            places.behind_ip(lambda l4: places.number(l4 + UDP_LENGTH_AT, 2)))
        return {
            "esp_port": (port != 0) & Cat(port == one for one in self.esp_ports).any(),
            "udp_length": udp_length,
            "udp_short": udp_length < UDP_HEADER_BYTES,
            "udp_byte": udp_length == UDP_HEADER_BYTES + 1,
            "udp_small": udp_length <= UDP_HEADER_BYTES + ESP_HEADER_BYTES,
            "l4_words": places.behind_ip(lambda l4: places.number(l4, 16)),
            "behind_udp": places.behind_ip(
                lambda l4: places.number(l4 + UDP_HEADER_BYTES, 16)),
        }

    def _decide(self, m, f):
        """Third clock: the checks in their order, those of each layer in parallel."""
        esp = Signal(128)
        m.d.comb += esp.eq(Mux(f["udp"], f["behind_udp"], f["l4_words"]))
        spi, sequence, iv = esp[96:128], esp[64:96], esp[0:64]

        ip_fails, ip_status = first_failure(m, self._ip_checks(f), RxStatus.OK)
        udp_fails, udp_status = first_failure(m, self._udp_checks(f), RxStatus.OK)
        esp_fails, esp_status = first_failure(m, self._esp_checks(f), RxStatus.OK)
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

    def _ip_checks(self, f):
        """Checks of Ethernet, and IPv4 or IPv6."""
        ipv4, ipv6 = f["ipv4"], f["ipv6"]
        return [
            (~f["has_ethertype"], RxStatus.TRUNCATED),
            (~ipv4 & ~ipv6, RxStatus.NOT_IP),
            (~f["has_l4"], RxStatus.TRUNCATED),
            (f["version"] != Mux(ipv6, 6, 4), RxStatus.BAD_HEADER),
            (ipv4 & (f["ihl"] < IPV4_WORDS), RxStatus.BAD_HEADER),
            (ipv4 & (f["ihl"] > IPV4_WORDS), RxStatus.IP_OPTIONS),
            (ipv4 & f["total_short"], RxStatus.BAD_HEADER),
            (f["fragment"], RxStatus.FRAGMENT),
            (ipv6 & f["extension"], RxStatus.EXT_HEADER),
        ]

    def _udp_checks(self, f):
        """Checks of a UDP datagram and what it holds (RFC 3948)."""
        behind = f["behind_udp"]
        return [
            (~f["has_8"], RxStatus.TRUNCATED),
            (~f["esp_port"], RxStatus.NOT_ESP),
            (f["udp_short"] | (f["udp_length"] > f["l4_length"]), RxStatus.BAD_HEADER),
            (f["udp_byte"] & ~f["has_9"], RxStatus.TRUNCATED),
            (f["udp_byte"] & (behind[120:128] == KEEPALIVE_BYTE), RxStatus.KEEPALIVE),
            (f["udp_small"], RxStatus.NON_ESP_MARKER),
            (~f["has_16"], RxStatus.TRUNCATED),
            (behind[96:128] == 0, RxStatus.NON_ESP_MARKER),
        ]

    def _esp_checks(self, f):
        """Checks of ESP right after IP."""
        return [
            (~f["esp"], RxStatus.NOT_ESP),
            (f["l4_length"] < ESP_HEADER_BYTES, RxStatus.SYNTAX),
            (~f["has_8"], RxStatus.TRUNCATED),
        ]
