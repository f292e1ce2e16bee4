"""Bins of the functional coverage that requests to send hit."""

from collections.abc import Mapping, Sequence
from typing import Any

from espnic.model.device import segment
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    ETHERNET_HEADER_BYTES,
    FRAME_BYTES_MAX,
    IPPROTO_IPIP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    UDP_HEADER_BYTES,
    VLAN_TAG_BYTES,
    EventKind,
    TxOperation,
)
from espnic.model.interface.features import Features
from espnic.model.interface.headers import (
    IPV4_ID_AT,
    TCP_CWR,
    TCP_FIN,
    TCP_FLAGS_AT,
    TCP_PSH,
    UDP_CHECKSUM_AT,
)
from espnic.model.interface.layouts import TX_DESCRIPTOR
from espnic.sim.coverage.functional_commands import Hit, use
from espnic.sim.coverage.functional_headers import sent_headers, word
from espnic.sim.coverage.functional_places import ending, excess, length_class, position, region
from espnic.sim.coverage.functional_requests import pad_offset, refusal
from espnic.sim.coverage.functional_sas import Sa, Sas
from espnic.sim.traffic.steps import TxFrame

Records = Sequence[tuple[str, Mapping[str, Any]]]
"""Trace point and fields of the records of a request."""

_TUNNELLED = (IPPROTO_IPIP, IPPROTO_IPV6)
_PROTOCOLS = {IPPROTO_TCP: "tcp", IPPROTO_UDP: "udp"}
_FLAGS = (("FIN", TCP_FIN), ("PSH", TCP_PSH), ("CWR", TCP_CWR))
_SEGMENTS = ((1, "1"), (2, "2"), (9, "3-9"), (64, "10-64"), (1024, "65-1024"))
_MSS = ((1, "1"), (15, "2-15"), (64, "16-64"), (536, "65-536"), (1460, "537-1460"))
_ID_SCOPE = 1 << 16
_LEFT = ("SEALED", "BYPASSED")


class TxBins:
    """Bins that requests to send hit."""

    def __init__(self, hit: Hit, features: Features, sas: Sas) -> None:
        self._hit = hit
        self._features = features
        self._beat_bytes = features.width // 8
        self._sas = sas
        self._zeros = {each.name: 0 for each in TX_DESCRIPTOR.fields}
        self._last_status = ""
        self._last_sealed: Sa | None = None

    def note(self, step: TxFrame, records: Records) -> None:
        """Note a request and its trace; one without a verdict is left out."""
        status = next((fields["status"] for point, fields in records if point == "tx.verdict"), "")
        if not status:
            return
        values = self._zeros | step.descriptor
        request, width = _request(values), self._features.width
        sa = self._sas.get("tx", values["sa"])
        self._hit("tx.refused", status, request, width)
        if self._last_status:
            self._hit("tx.pairs", self._last_status, status)
        self._last_status = status
        if self._features.sideband and step.sideband:
            cut = "leaves with segments" if values["lso"] else "leaves"
            self._hit("sideband", "tx", cut if status in _LEFT else "stays", width)
        if status == "DROP_UNSUPPORTED":
            self._hit("parts", "segmentation")
        elif status not in _LEFT:
            self._condition(refusal(status, values, step.data, sa, self._features))
        count = segment.count(values, len(step.data)) if _is_cut(values, status) else 1
        if sa and status in ("SEALED", "DROP_LATE", "DROP_REPEATED"):
            self._note_number(sa, status, values["sequence"], count)
        if status == "SEALED" and sa:
            self._note_sealed(sa, step, values, records, count)
        if status in _LEFT:
            if values["lso"]:
                self._note_cut(values, step.data, count)
            else:
                self._note_single(request, values, step.data, records, sa)
        elif not values["lso"] and len(step.data) > FRAME_BYTES_MAX:
            self._hit("tx.oversize", request, excess(len(step.data), self._beat_bytes), width)

    def _condition(self, name: str) -> None:
        if name:
            self._hit("tx.condition", name, self._features.width)

    def _note_number(self, sa: Sa, status: str, sequence: int, count: int) -> None:
        """Note the numbers of a request, against those that its SA has sealed."""
        request, last = "burst" if count > 1 else "single", sequence + count - 1
        place = position(sequence, sa.top, self._features.sent_window)
        self._hit("tx.guard", sa.guarded, place, status, request)
        if status == "SEALED":
            self._hit("tx.numbers", sa.esn, request, region(last))
            sa.top = max(sa.top, last)
        elif not sa.told:
            sa.told = True
            self._hit("event", EventKind.REPEATED.name, "tx")

    def _note_sealed(
        self, sa: Sa, step: TxFrame, values: Mapping[str, int], records: Records, count: int,
    ) -> None:
        hit, width, frame = self._hit, self._features.width, step.data
        icv_bytes = sa.icv if values["trailer"] else 0
        text_bytes = len(frame) - values["esp_offset"] - ESP_TEXT_OFFSET - icv_bytes
        trailer = "software" if values["trailer"] else "engine"
        if self._last_sealed is not None:
            hit("tx.turn", self._last_sealed.key, sa.key, self._last_sealed is sa, width)
        self._last_sealed = sa
        use(hit, "tx", sa, count, text_bytes)
        if values["lso"]:
            segments = str(count) if count < 3 else "more"
            hit("tx.cut_sa", segments, sa.key, sa.icv, sa.esn, width)
            family = 6 if values["outer_ipv6"] else 4
            encapsulation = "udp" if values["encapsulation"] else "none"
            mode = "transport" if values["l3_offset"] == values["outer_offset"] else "tunnel"
        else:
            hit("tx.text", trailer, text_bytes % 16, sa.icv, sa.esn, width)
            headers = sent_headers(frame)
            family = headers.family
            encapsulation = "udp" if headers.protocol == "udp" else "none"
            text = next((fields["text"] for point, fields in records if point == "tx.trailer"), "")
            mode = "tunnel" if text and int(text[-2:], 16) in _TUNNELLED else "transport"
            hit("tx.headers", family, encapsulation, headers.tags, trailer, width)
        hit("tx.sa", "SEALED", family, mode, sa.key, sa.icv, sa.esn, encapsulation, trailer, width)

    def _note_single(
        self, request: str, values: Mapping[str, int], frame: bytes, records: Records,
        sa: Sa | None,
    ) -> None:
        """Note a request that leaves as one frame."""
        hit, width = self._hit, self._features.width
        if frame:
            hit("tx.shape", request, length_class(len(frame)), ending(len(frame), self._beat_bytes),
                width)
        left = next((fields["frame"] for point, fields in records if point == "tx.out"), "")
        if len(left) // 2 > FRAME_BYTES_MAX:
            self._condition("sealed, longer than 9,600")
        if not values["checksum"]:
            return
        protocol = _PROTOCOLS.get(values["l4_protocol"])
        if protocol is None:
            self._condition("checksum of another protocol")
            return
        start, count = values["l4_offset"], values["l4_bytes"]
        hit("tx.checksum", request, protocol, bool(count % 2), start % 16, width)
        clear = next((fields["frame"] for point, fields in records if point == "tx.segment"), "")
        at = 2 * (start + UDP_CHECKSUM_AT)
        if protocol == "udp" and clear[at:at + 4] == "ffff":
            self._condition("sealed, UDP checksum FFFF")
        if (sa and request == "seal with trailer"
                and start + count < pad_offset(frame, sa.icv)):
            self._condition("sealed, TFC padding")

    def _note_cut(self, values: Mapping[str, int], frame: bytes, count: int) -> None:
        """Note a super-frame that leaves in segments."""
        hit, width = self._hit, self._features.width
        path = _path(values)
        protocol = _PROTOCOLS[values["l4_protocol"]]
        encapsulated = values["encapsulation"] and path != "bypass"
        tags = (values["outer_offset"] - ETHERNET_HEADER_BYTES) // VLAN_TAG_BYTES
        hit("tx.cut_headers", path, 6 if values["outer_ipv6"] else 4, 6 if values["ipv6"] else 4,
            "udp" if encapsulated else "none", protocol, tags, width)
        short = (len(frame) - values["header_bytes"]) % values["mss"]
        hit("tx.cut", _within(count, _SEGMENTS), _within(values["mss"], _MSS),
            "short" if short else "whole", protocol, width)
        if protocol == "tcp":
            for flag, bit in _FLAGS:
                if frame[values["l4_offset"] + TCP_FLAGS_AT] & bit:
                    hit("tx.cut_flags", flag, str(count) if count < 3 else "more", width)
        for header, offset, size in _ipv4_headers(values, path):
            hit("tx.cut_id", header, bool(values["outer_id_fixed"]), size > IPV4_HEADER_BYTES,
                word(frame, offset + IPV4_ID_AT) + count > _ID_SCOPE)


def _request(values: Mapping[str, int]) -> str:
    """Value of ``REQUEST``."""
    match values["operation"]:
        case TxOperation.ENCRYPT:
            if values["lso"]:
                return "cut and seal"
            return "seal with trailer" if values["trailer"] else "seal"
        case TxOperation.BYPASS:
            return "cut" if values["lso"] else "bypass"
    return "neither"


def _is_cut(values: Mapping[str, int], status: str) -> bool:
    """Whether a request has segments that can be counted."""
    return bool(values["lso"]) and status in (*_LEFT, "DROP_LATE", "DROP_REPEATED")


def _path(values: Mapping[str, int]) -> str:
    if values["operation"] == TxOperation.BYPASS:
        return "bypass"
    return "transport" if values["l3_offset"] == values["outer_offset"] else "tunnel"


def _ipv4_headers(values: Mapping[str, int], path: str) -> list[tuple[str, int, int]]:
    """The IPv4 headers of a super-frame: name, offset and length."""
    outer, l3, l4 = values["outer_offset"], values["l3_offset"], values["l4_offset"]
    outer_end = values["esp_offset"] - UDP_HEADER_BYTES * values["encapsulation"]
    headers = []
    if path == "bypass":
        outer_end = l4
    if not values["outer_ipv6"]:
        headers.append(("outer" if path == "tunnel" else path, outer, outer_end - outer))
    if path == "tunnel" and not values["ipv6"]:
        headers.append(("inner", l3, l4 - l3))
    return headers


def _within(number: int, classes: Sequence[tuple[int, str]]) -> str:
    """The first class whose end is not below a number, "more" behind the last."""
    return next((name for end, name in classes if number <= end), "more")
