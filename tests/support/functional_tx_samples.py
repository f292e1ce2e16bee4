"""Replays of requests to send that hit every bin of theirs."""

from dataclasses import replace
from itertools import count, product
from random import Random

from espnic.model.esp import trailer
from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    IPPROTO_TCP,
    IPPROTO_UDP,
    SUPER_FRAME_BYTES_MAX,
    Encapsulation,
    SaDirection,
    SaOperation,
    TxOperation,
)
from espnic.model.net import checksum
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import command_values
from espnic.sim.coverage import bins
from espnic.sim.coverage.functional_exclusions import wanted
from espnic.sim.traffic import frames
from espnic.sim.traffic.frames import VLAN_TAG
from espnic.sim.traffic.steps import Command, TxFrame
from tests.support.engine_steps import add_commands, bypass, with_sidebands
from tests.support.functional_rx_samples import REGION_NUMBERS
from tests.support.functional_samples import Sample, bytes_of, every_kind, features
from tests.support.sas import make_sa

TX = SaDirection.TX
ENCRYPT, BYPASS = int(TxOperation.ENCRYPT), int(TxOperation.BYPASS)
NUMBERS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP}
IPPROTO_ICMP = 1
EXPIRED, OTHER_ESN = 2, 3
"""Handles of the SAs of ``World`` beside the first."""


def samples(width):
    """All replays at a width."""
    yield from (make(width) for make in (
        kinds_of_sa, kinds_that_cut, refusals, conditions, headers, shapes, texts, checksums,
        super_headers, cuts, flags, keys_in_turn))


def samples_of_any_width():
    """Replays of what does not depend on the width."""
    yield from (ids(), numbers(), guards(), pairs())


def request(sa, payload=bytes(40), *, handle=1, sequence=1, tags=b"", next_header=4,
            with_trailer=False, **fields):
    """A request for one frame to seal; ``fields`` of its descriptor besides."""
    body = sa.spi.to_bytes(4, "big") + bytes(12) + payload
    if with_trailer:
        body += trailer.build(len(payload), next_header) + bytes(sa.icv.bytes)
    frame = frames.carried(sa, body, tags)
    return TxFrame({
        "operation": ENCRYPT, "trailer": int(with_trailer), "sa": handle, "sequence": sequence,
        "esp_offset": len(frame) - len(body), "next_header": next_header, **fields}, frame)


def layout(path="tunnel", family=4, inner=4, encapsulation="none", protocol="udp", tags=0,
           options=0):
    """The LSO fields of a descriptor; ``options`` are bytes of IPv4 options in each header."""
    outer = 14 + 4 * tags
    sizes = {version: 40 if version == 6 else 20 + options for version in (4, 6)}
    at = outer + sizes[family]
    udp = encapsulation == "udp"
    fields = {"operation": BYPASS if path == "bypass" else ENCRYPT, "lso": 1,
              "outer_offset": outer, "l3_offset": outer, "outer_ipv6": int(family == 6),
              "ipv6": int(inner == 6), "encapsulation": int(udp),
              "l4_protocol": NUMBERS[protocol], "next_header": 4}
    if path != "bypass":
        fields["esp_offset"] = at + 8 * udp
        at = fields["esp_offset"] + 16
    if path == "tunnel":
        fields["l3_offset"] = at
        at += sizes[inner]
    fields["l4_offset"] = at
    fields["header_bytes"] = at + (8 if protocol == "udp" else 20)
    return fields


def super_frame(sa, fields, payload_bytes, *, mss, handle=1, sequence=1, fill=0):
    """A request for segments."""
    frame = bytearray([fill]) * (fields["header_bytes"] + payload_bytes)
    if fields["operation"] == ENCRYPT:
        at = fields["esp_offset"]
        frame[at:at + 4] = sa.spi.to_bytes(4, "big")
        fields = fields | {"sa": handle, "sequence": sequence}
    return TxFrame(fields | {"mss": mss}, bytes(frame))


class World:
    """Three SAs, their next numbers, and requests of every status and kind."""

    def __init__(self):
        self.sa = make_sa(seed=1, spi=0x101)
        self.expired = replace(self.sa, spi=0x102, limits=Limits(hard_packets=1))
        self.steps = add_commands([self.sa, self.expired], TX)
        self.steps += [request(self.expired, handle=EXPIRED)]
        # Numbers far above these are sealed, and these are sealed too.
        self.steps += [request(self.sa, sequence=number) for number in (1, 2, 5000)]
        self._number = 5001

    def step(self, status, kind):
        """A request of this kind that gets this status."""
        if kind == "neither":
            return TxFrame({"operation": 1}, bytes(70))
        step = self._good(kind)
        values, frame = dict(step.descriptor), step.data
        match status:
            case "DROP_RESERVED":
                values["reserved4"] = 1
            case "DROP_NO_SA":
                values["sa"] = 77
            case "DROP_SPI":
                at = values["esp_offset"]
                frame = frame[:at] + b"\xff" + frame[at + 1:]
            case "DROP_SEQUENCE":
                values["sequence"] = 0
            case "DROP_SYNTAX":
                values["esp_offset"] += 1
            case "DROP_OVERSIZE":
                frame += bytes(FRAME_BYTES_MAX)
            case "DROP_TRAILER" if kind == "cut and seal":
                values["trailer"] = 1
            case "DROP_TRAILER":
                at = len(frame) - self.sa.icv.bytes - 2
                frame = frame[:at] + b"\xff" + frame[at + 1:]
            case "DROP_OFFSETS" if values.get("lso"):
                values["l4_offset"] += 1
            case "DROP_OFFSETS":
                values |= {"checksum": 1, "l4_protocol": IPPROTO_UDP, "l4_offset": 51}
            case "DROP_LSO_OVERSIZE":
                frame += bytes(SUPER_FRAME_BYTES_MAX)
            case "DROP_LSO_PROTOCOL":
                values["l4_protocol"] = IPPROTO_ICMP
            case "DROP_LSO_HEADER":
                frame = frame[:values["header_bytes"] - 1]
            case "DROP_LSO_PAYLOAD":
                frame = frame[:values["header_bytes"]]
            case "DROP_LSO_MSS":
                values["mss"] = 0
            case "DROP_LSO_SEQUENCE":
                values["sequence"] = 2**32 - 1
            case "DROP_EXPIRED":
                values["sa"] = EXPIRED
                at = values["esp_offset"]
                frame = frame[:at] + self.expired.spi.to_bytes(4, "big") + frame[at + 4:]
            case "DROP_LATE":
                values["sequence"] = 2
            case "DROP_REPEATED":
                values["sequence"] = 5000
        return TxFrame(values, frame)

    def any(self, status):
        """A request that gets this status."""
        if status == "BYPASSED":
            return bypass(bytes(60))
        if status == "SEALED":
            self._number += 1
            return request(self.sa, sequence=self._number - 1)
        kind = next(kind for kind in bins.REQUEST
                    if (status, kind, 128) in wanted()["tx.refused"])
        return self.step(status, kind)

    def _good(self, kind):
        match kind:
            case "bypass":
                return bypass(bytes(60))
            case "cut" | "cut and seal":
                path = "bypass" if kind == "cut" else "tunnel"
                return super_frame(self.sa, layout(path), 40, mss=20, sequence=self._number)
        return request(self.sa, sequence=self._number, with_trailer=kind == "seal with trailer")


def kinds_of_sa(width):
    sas = every_kind()
    steps = add_commands(sas, TX)
    for handle, sa in enumerate(sas, start=1):
        steps += [
            request(sa, handle=handle, sequence=sequence, next_header=next_header,
                    with_trailer=with_trailer)
            for sequence, (next_header, with_trailer) in enumerate(
                product((4, 6), (False, True)), start=1)]
    return Sample(steps, features(width))


def kinds_that_cut(width):
    sas = [sa for sa in every_kind()
           if sa.outer_family == 4 and sa.encapsulation == Encapsulation.NONE]
    steps = add_commands(sas, TX)
    for handle, sa in enumerate(sas, start=1):
        steps += [super_frame(sa, layout(), 20 * segments, mss=20, handle=handle,
                              sequence=10 * segments) for segments in (1, 2, 3)]
    return Sample(steps, features(width))


def refusals(width):
    world = World()
    world.steps += [world.step(status, kind) for status, kind, of_width in wanted()["tx.refused"]
                    if of_width == width]
    for kind, above in product(("seal", "seal with trailer", "bypass"),
                               (1, 5, width // 8 + 1, 3 * FRAME_BYTES_MAX)):
        step = world.any("BYPASSED") if kind == "bypass" else world.step("SEALED", kind)
        world.steps.append(replace(
            step, data=step.data + bytes(FRAME_BYTES_MAX + above - len(step.data))))
    steps = with_sidebands(world.steps, Random(width), 37)
    fields = layout()
    steps += with_sidebands([super_frame(world.sa, fields, 90, mss=20, sequence=90_000)],
                            Random(1), 37)
    return Sample(steps, features(width))


def pairs():
    world = World()
    for pair in wanted()["tx.pairs"]:
        world.steps += [world.any(status) for status in pair]
    return Sample(world.steps, features())


def conditions(width):
    world = World()
    sa, build = world.sa, features(width)
    extended = make_sa(seed=3, spi=0x103, esn=True)
    deleted = make_sa(seed=4, spi=0x104)
    steps = [*world.steps, *(Command(command_values(SaOperation.ADD, TX, handle, each))
                             for handle, each in ((OTHER_ESN, extended), (4, deleted))),
             Command(command_values(SaOperation.DELETE, TX, 4))]
    good = request(sa, sequence=6000)

    def changed(step, **fields):
        return replace(step, descriptor=step.descriptor | fields)

    steps += [changed(good, **fields) for fields in (
        {"operation": 0}, {"operation": 3}, {"reserved0": 1}, {"sa": 0}, {"sa": 50}, {"sa": 4},
        {"sa": build.sas}, {"sequence": 0}, {"sequence": 2**32}, {"sequence": 1},
        {"sequence": 5000}, {"esp_offset": 30}, {"esp_offset": 36}, {"esp_offset": 90},
        {"sa": EXPIRED})]
    steps += [replace(good, data=good.data + bytes(FRAME_BYTES_MAX)),
              replace(good, data=good.data[:34] + bytes(50)), world.step("DROP_EXPIRED", "seal")]
    steps += _trailer_conditions(sa) + _checksum_conditions(sa)
    steps += _super_conditions(sa)
    steps += [
        super_frame(sa, layout(), 40, mss=20, sequence=2**32 - 1),
        super_frame(extended, layout(), 40, mss=20, handle=OTHER_ESN, sequence=2**64 - 1),
        request(sa, bytes(FRAME_BYTES_MAX - 50), sequence=6001)]
    return Sample(steps, build)


def _trailer_conditions(sa):
    whole = request(sa, bytes(40), sequence=6100, with_trailer=True)
    icv = bytes(sa.icv.bytes)
    text_at = whole.descriptor["esp_offset"] + 16
    summed = {"checksum": 1, "l4_protocol": IPPROTO_UDP, "l4_offset": text_at, "l4_bytes": 40}
    long_pad = whole.data[:-sa.icv.bytes - 2] + b"\x0a\4" + icv
    return [
        replace(whole, data=whole.data[:text_at] + bytes(2) + icv),
        replace(whole, data=whole.data[:text_at] + bytes(7) + icv),
        replace(whole, data=whole.data[:text_at] + b"\0\0\xff\4" + icv),
        TxFrame(whole.descriptor | summed, long_pad),
        TxFrame(whole.descriptor | summed | {"l4_bytes": 20}, whole.data)]


def _checksum_conditions(sa):
    step = request(sa, bytes(40), sequence=6200)
    at = step.descriptor["esp_offset"] + 16
    summed = {"checksum": 1, "l4_protocol": IPPROTO_UDP, "l4_offset": at, "l4_bytes": 40}
    steps = [replace(step, descriptor=step.descriptor | summed | change) for change in (
        {"l4_offset": at + 1, "l4_bytes": 30}, {"l4_offset": at - 4}, {"l4_bytes": 7},
        {"l4_bytes": 41}, {"l4_protocol": IPPROTO_ICMP, "sequence": 6201})]
    # A datagram whose words sum to FFFFh: its checksum is 0.
    datagram = bytes(8) + b"\xff\xff" + bytes(30)
    assert checksum.of(datagram) == 0
    return [*steps, TxFrame(step.descriptor | summed | {"sequence": 6202},
                            step.data[:at] + datagram)]


def _super_conditions(sa):
    def cut(path="tunnel", protocol="udp", payload=40, mss=20, family=4, options=0, **change):
        fields = layout(path, family, family, protocol=protocol, options=options)
        step = super_frame(sa, fields, payload, mss=mss, sequence=6300)
        moved = {name: fields[name] + by for name, by in change.items() if name in fields}
        return replace(step, descriptor=step.descriptor | moved)

    tunnel, transport = cut(), cut("transport")
    steps = [
        cut(payload=SUPER_FRAME_BYTES_MAX), cut(payload=0), cut(mss=0), cut(mss=9590),
        replace(tunnel, data=tunnel.data[:70]),
        # With room for them, the offsets are wrong in nothing else.
        *(cut(protocol="tcp", options=4, **{name: by}) for name, by in (
            ("outer_offset", 1), ("l3_offset", 1), ("l4_offset", -1), ("esp_offset", -1),
            ("header_bytes", 1))),
        cut(outer_offset=-4), cut(header_bytes=4),
        cut(header_bytes=-4, protocol="tcp"), cut(header_bytes=44, protocol="tcp"),
        cut("bypass", l3_offset=4, l4_offset=0), cut(esp_offset=-4),
        cut(l4_offset=-4, header_bytes=-4), cut(l3_offset=-4),
        cut("transport", l4_offset=-4, header_bytes=-4)]
    steps += [replace(step, descriptor=step.descriptor | change) for step, change in (
        (tunnel, {"trailer": 1}), (tunnel, {"l4_protocol": IPPROTO_ICMP}),
        (transport, {"ipv6": 1}))]
    return steps


def headers(width):
    steps, sas, number = [], {}, count(1)
    for family, encapsulation, tags, kind, of_width in wanted()["tx.headers"]:
        if of_width != width:
            continue
        if (family, encapsulation) not in sas:
            handle = len(sas) + 1
            sa = make_sa(family, seed=handle, spi=handle,
                         encapsulation=Encapsulation[encapsulation.upper()])
            sas[family, encapsulation] = handle, sa
            steps += [Command(command_values(SaOperation.ADD, TX, handle, sa))]
        handle, sa = sas[family, encapsulation]
        steps.append(request(sa, handle=handle, sequence=next(number), tags=VLAN_TAG * tags,
                             with_trailer=kind == "software"))
    return Sample(steps, features(width))


def shapes(width):
    sa = make_sa()
    steps, number, at = add_commands([sa], TX), count(1), 14 + 20 + 16
    for kind, length, ending, of_width in wanted()["tx.shape"]:
        if of_width != width:
            continue
        if kind == "bypass":
            steps.append(bypass(bytes(bytes_of(length, ending, width // 8))))
        elif kind == "seal":
            size = bytes_of(length, ending, width // 8, at)
            steps.append(request(sa, bytes(size - at), sequence=next(number)))
        else:
            # Text and ICV are multiples of 4 bytes.
            size = -(-max(int(length.partition("-")[0]), at + 40) // 4) * 4 - at
            steps.append(request(sa, bytes(size), sequence=next(number), with_trailer=True))
    return Sample(steps, features(width))


def texts(width):
    sas = [sa for sa in every_kind() if sa.key_size == 0]
    steps = add_commands(sas, TX)
    for (handle, sa), more, with_trailer in product(
            enumerate(sas, start=1), range(16), (False, True)):
        steps.append(request(sa, bytes(20 + more), handle=handle, with_trailer=with_trailer,
                             sequence=1 + more + 16 * with_trailer))
    return Sample(steps, features(width))


def checksums(width):
    sa = make_sa()
    steps, number = add_commands([sa], TX), count(1)
    for kind, protocol, odd, place, of_width in wanted()["tx.checksum"]:
        if of_width != width:
            continue
        at = next(offset for offset in range(50, 70) if offset % 16 == place)
        size = 40 + odd
        fields = {"checksum": 1, "l4_protocol": NUMBERS[protocol], "l4_offset": at,
                  "l4_bytes": size}
        if kind == "bypass":
            steps.append(TxFrame({"operation": BYPASS, **fields}, bytes(at + size)))
        else:
            steps.append(request(sa, bytes(at - 50 + size), sequence=next(number),
                                 with_trailer=kind == "seal with trailer", **fields))
    return Sample(steps, features(width))


def super_headers(width):
    sa = make_sa()
    steps, number = add_commands([sa], TX), count(1, 5)
    for *place, of_width in wanted()["tx.cut_headers"]:
        if of_width == width:
            steps.append(super_frame(sa, layout(*place), 50, mss=20, sequence=next(number)))
    # And a mode of its own for each kind of SA is in kinds_of_sa.
    return Sample(steps, features(width))


SEGMENTS = {"1": 1, "2": 2, "3-9": 3, "10-64": 10, "65-1024": 65, "more": 1025}
MSS = {"1": 1, "2-15": 2, "16-64": 16, "65-536": 65, "537-1460": 537, "more": 1461}


def cuts(width):
    sa = make_sa()
    steps, number = add_commands([sa], TX), count(1, 2000)
    for segments, mss, last, protocol, of_width in wanted()["tx.cut"]:
        if of_width == width:
            payload_bytes = SEGMENTS[segments] * MSS[mss] - (last == "short")
            steps.append(super_frame(sa, layout("bypass", protocol=protocol), payload_bytes,
                                     mss=MSS[mss], sequence=next(number)))
    return Sample(steps, features(width))


def flags(width):
    steps = [super_frame(None, layout("bypass", protocol="tcp"), 20 * segments, mss=20, fill=0xFF)
             for segments in (1, 2, 3)]
    return Sample(steps, features(width))


def ids():
    sa = make_sa()
    steps, number = add_commands([sa], TX), count(1, 5)
    for header, fixed, options, wraps in wanted()["tx.cut_id"]:
        path = "tunnel" if header in ("outer", "inner") else header
        fields = layout(path, options=4 * options) | {"outer_id_fixed": int(fixed)}
        steps.append(super_frame(sa, fields, 50, mss=20, sequence=next(number),
                                 fill=0xFF if wraps else 0))
    return Sample(steps, features())


def numbers():
    steps, handles = [], count(1)
    for extended, kind, region in wanted()["tx.numbers"]:
        handle, last = next(handles), REGION_NUMBERS[region]
        sa = make_sa(seed=handle, spi=handle, esn=extended)
        steps.append(Command(command_values(SaOperation.ADD, TX, handle, sa)))
        if kind == "single":
            steps.append(request(sa, handle=handle, sequence=last))
        else:
            steps.append(super_frame(sa, layout(), 40, mss=20, handle=handle, sequence=last - 1))
    return Sample(steps, features())


def guards():
    """Every place of the record: first a jump by a whole window, which leaves all places free."""
    steps, handles, window = [], count(1), features().sent_window
    for guarded, place, status, kind in wanted()["tx.guard"]:
        handle, base = next(handles), 10_000_000
        sa = make_sa(seed=handle, spi=handle, unguarded=not guarded, initial_seq=base)
        top = base - 1 + window
        bottom = base
        first = {
            "left far": bottom - 2 * window, "left": bottom - 5, "left edge": bottom - 1,
            "bottom": bottom, "inside": bottom + 3, "top": top, "next": top + 1,
            "ahead": top + 5, "whole": top + window, "ahead far": top + 3 * window}[place]
        steps += [Command(command_values(SaOperation.ADD, TX, handle, sa)),
                  request(sa, handle=handle, sequence=top)]
        if status == "DROP_REPEATED" and place != "top":
            steps.append(request(sa, handle=handle, sequence=first))
        steps.append(request(sa, handle=handle, sequence=first) if kind == "single" else
                     super_frame(sa, layout(), 40, mss=20, handle=handle, sequence=first))
    return Sample(steps, features())


def keys_in_turn(width):
    sas = [make_sa(key_bytes=key_bytes, seed=seed, spi=seed)
           for seed, key_bytes in enumerate((16, 24, 32) * 2, start=1)]
    order = [0, 0, 3, 1, 1, 4, 2, 2, 5, 0, 1, 0, 2, 1, 2]
    steps = add_commands(sas, TX)
    steps += [request(sas[index], handle=index + 1, sequence=number)
              for number, index in enumerate(order, start=1)]
    return Sample(steps, features(width))
