"""The whole offload device: SA commands, transmit, receive, counters, and a trace of each step.

A trace is a list of ``(point, fields)``: the values at the boundaries of the
hardware's stages, byte strings as hex text, numbers as numbers, statuses as
their names. ``model.trace`` writes and compares them.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from espnic.model.device import receive_checksum, segment
from espnic.model.device.events import EventQueue
from espnic.model.esp import esn, esp, trailer
from espnic.model.esp.replay import Window, high_above
from espnic.model.interface import registers
from espnic.model.interface.codes import (
    ESP_ALIGNMENT_BYTES,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    FRAME_BYTES_MAX,
    SUPER_FRAME_BYTES_MAX,
    EventKind,
    ReplayWindow,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.features import ALL, Features
from espnic.model.interface.headers import (
    ESP_OFFSET_MIN,
    HEADER_ALIGNMENT_BYTES,
    HEADER_PHASE_BYTES,
)
from espnic.model.interface.layouts import RX_COMPLETION, SA_RESPONSE, TX_DESCRIPTOR, Layout
from espnic.model.net import checksum, packet
from espnic.model.net.addresses import lookup_key
from espnic.model.net.packet import Parsed
from espnic.model.sa.sa import DEVICE_WINDOWS, SaTable, SecurityAssociation, from_command

Trace = list[tuple[str, dict[str, Any]]]

IN_FLIGHT_MAX = 64
"""Frames that the receive path holds before their verdict."""

_COUNTED_COMMANDS: dict[int, str] = {SaOperation.ADD: "sa_add", SaOperation.DELETE: "sa_delete"}


@dataclass(frozen=True)
class RxResult:
    """What the host gets of a received frame."""

    completion: dict[str, int]
    """The fields of RX_COMPLETION."""
    frame: bytes | None
    """None when the frame was oversize: then neither it nor the completion leaves."""
    trace: Trace

    @property
    def status(self) -> RxStatus:
        return RxStatus(self.completion["status"])


@dataclass(frozen=True)
class TxResult:
    """What goes on the wire of a frame to send."""

    status: TxStatus
    frames: tuple[bytes, ...]
    """The segments of a super-frame, else one frame; none when the request was refused."""
    trace: Trace

    @property
    def frame(self) -> bytes | None:
        """What leaves of a request that is no super-frame: one frame or None."""
        return self.frames[0] if self.frames else None


@dataclass(frozen=True)
class _Opened:
    """Outcome of a receive frame behind the look-up."""

    status: RxStatus
    plain: bytes | None = None
    """The frame with its plaintext, only when OK."""
    fields: dict[str, int] = field(default_factory=dict)
    """The fields of RX_COMPLETION that are 0 unless OK."""
    payload_end: int | None = None
    """Offset in the frame of the trailer, only when OK."""
    text_bytes: int = 0
    """Bytes by which the SA was used; 0 unless it was."""
    sequence: int = 0
    """64-bit sequence number of a frame that used its SA."""


class Device:
    """The device as its driver and its two packet ports see it.

    ``features`` are the parts of the build. Its two SA tables, receive and transmit, have
    the handles 1 to ``features.sas - 1``.
    """

    def __init__(self, features: Features = ALL) -> None:
        self.features = features
        self.sas = {direction: SaTable(features.sas, direction) for direction in SaDirection}
        self.counters = dict.fromkeys(registers.counters(), 0)
        self.events = EventQueue(self.counters)
        self._windows: dict[int, Window] = {}
        self._begins: deque[tuple[int, int]] = deque(maxlen=IN_FLIGHT_MAX)
        """Of the last frames received: handle, and where its window began before the frame."""

    def command(self, values: Mapping[str, int]) -> SaResult:
        """Do one SA command; ``values`` are fields of SA_COMMAND, those not given are 0."""
        result = self._do_command(values)
        name = _COUNTED_COMMANDS.get(values.get("operation", 0))
        if name:
            self.counters[f"{name}_{'fail' if result else 'success'}"] += 1
        return result

    def _do_command(self, values: Mapping[str, int]) -> SaResult:
        try:
            operation = SaOperation(values.get("operation", 0))
        except ValueError:
            return SaResult.EINVAL
        table = self.sas[SaDirection(values.get("direction", 0))]
        handle = values.get("sa", 0)
        match operation:
            case SaOperation.ADD:
                result = self._add(table, handle, values)
                if result == SaResult.OK and table.direction == SaDirection.RX:
                    self._add_window(handle)
                return result
            case SaOperation.DELETE:
                return table.delete(handle)
            case SaOperation.MODIFY:
                return table.modify(handle, SaSelect(values.get("select", 0)), values)
            case SaOperation.READ:
                return table.read(handle)[0]
            case SaOperation.FREE:
                return table.free(handle)
            case SaOperation.FLUSH:
                for each in self.sas.values():
                    each.flush()
                return SaResult.OK

    def _add(self, table: SaTable, handle: int, values: Mapping[str, int]) -> SaResult:
        try:
            added = from_command(values)
            window = ReplayWindow(values.get("replay_window", 0))
        except ValueError:
            return SaResult.EINVAL
        if not 1 <= handle < table.size:
            return SaResult.EINVAL
        receive = table.direction == SaDirection.RX
        present = self.features.receive if receive else self.features.transmit
        ipv6 = added.destination.version == 6
        if (not present or ipv6 and not self.features.ipv6
                or receive and window.packets > self.features.replay_window):
            return SaResult.EOPNOTSUPP
        return table.add(handle, added)

    def read_sa(self, direction: SaDirection, handle: int) -> dict[str, int]:
        """The fields of SA_RESPONSE that a READ command gives."""
        result, sa = self.sas[direction].read(handle)
        values = _zeros(SA_RESPONSE) | {"result": int(result)}
        if sa is None:
            return values
        lifetime = self.sas[direction].lifetime(handle)
        return values | {
            "key_size": int(sa.key_size),
            "icv_size": int(sa.icv),
            "esn": int(sa.esn),
            "esn_overlap": int(sa.esn_overlap),
            "esn_high": sa.esn_high,
            **lookup_key(sa.destination, sa.encapsulation, sa.spi),
            **self._read_window(direction, handle, sa),
            **lifetime.limits.fields(),
            "packets": lifetime.packets,
            "bytes": lifetime.bytes,
        }

    def _add_window(self, handle: int) -> None:
        sa = self.sas[SaDirection.RX].get(handle)
        self._windows.pop(handle, None)
        if sa is not None and sa.device_window:
            self._windows[handle] = Window(sa.replay_window, sa.esn, sa.initial_seq - 1)

    def _read_window(
        self, direction: SaDirection, handle: int, sa: SecurityAssociation,
    ) -> dict[str, int]:
        if not sa.device_window:
            return {}
        size = {"replay_window": int(DEVICE_WINDOWS[sa.replay_window])}
        if direction == SaDirection.TX:
            return size
        return size | {"sequence": self._windows[handle].top}

    # Receive

    def receive(self, frame: bytes, in_flight: int = 0) -> RxResult:
        """Take a frame from the wire: Ethernet header first, no FCS.

        Only a frame with status OK is changed: the plaintext, trailer included,
        stands in the place of the ciphertext and every other byte is as it came.
        A frame of more than ``FRAME_BYTES_MAX`` bytes is OVERSIZE whatever else it is.

        ``in_flight`` says of how many of the frames right before this one the verdict had not
        yet fallen when this one's SA was looked up, at most ``IN_FLIGHT_MAX``. With ESN and a
        window in the device they do not count for the high half that the frame is opened with.
        """
        trace: Trace = [("rx.in", {"frame": frame.hex()})]
        status, parsed = packet.parse(frame, self.features.ipv6)
        trace.append(("rx.parse", _parse_fields(status, parsed)))
        handle = begin = 0
        opened = _Opened(status)
        if parsed is not None:
            table = self.sas[SaDirection.RX]
            handle = table.look_up(parsed.destination, parsed.encapsulation, parsed.spi)
            trace.append(("rx.lookup", {"hit": int(handle != 0), "sa": handle}))
            sa = table.get(handle)
            opened = _Opened(RxStatus.NO_SA)
            if sa is not None and len(frame) <= FRAME_BYTES_MAX:
                window, lifetime = self._windows.get(handle), table.lifetime(handle)
                high = self._high(handle, sa, parsed.sequence, in_flight)
                top, begin = (window.top, window.bottom) if window else (0, 0)
                opened = _open(frame, parsed, sa, high, (window, lifetime.expired), trace)
                if window and sa.esn and (window.top ^ top) & esn.HALF:
                    self.events.push(
                        EventKind.ESN_HALF, SaDirection.RX, handle, window.top)
                if opened.text_bytes:
                    self._use(SaDirection.RX, handle, 1, opened.text_bytes, opened.sequence)
        self._begins.append((handle, begin))
        if len(frame) > FRAME_BYTES_MAX:
            handle, opened = 0, _Opened(RxStatus.OVERSIZE)
        out = None if opened.status == RxStatus.OVERSIZE else opened.plain or frame
        completion = _zeros(RX_COMPLETION) | opened.fields
        completion |= {"status": int(opened.status), "sa": handle}
        if out is not None:
            completion |= receive_checksum.fields(out, opened.payload_end)
        trace.append(("rx.verdict", completion | {"status": opened.status.name}))
        if out is not None:
            trace.append(("rx.out", {"frame": out.hex()}))
        self._count("rx", opened.status, min(len(frame), FRAME_BYTES_MAX),
                    [] if out is None else [out])
        return RxResult(completion, out, trace)

    def _high(
        self, handle: int, sa: SecurityAssociation, sequence_low: int, in_flight: int,
    ) -> int:
        """High half that a received frame is opened with."""
        if not sa.esn:
            return 0
        if not sa.device_window:
            return esn.device_high(sequence_low, sa.esn_high, sa.esn_overlap)
        last = islice(self._begins, max(0, len(self._begins) - in_flight), None)
        begins = (begin for other, begin in last if other == handle)
        return high_above(next(begins, self._windows[handle].bottom), sequence_low)

    # Transmit

    def transmit(self, descriptor: Mapping[str, int], frame: bytes) -> TxResult:
        """Take a frame from the host with its TX_DESCRIPTOR; fields not given are 0.

        A frame to encrypt has its outer headers, its ESP header with the SPI, 8
        bytes where the IV goes and the payload. With ``trailer`` 1 it has the
        trailer too and as many bytes as the ICV will take; with 0 the device
        appends both. What stands in the places of sequence number, IV and ICV
        does not matter.

        With ``checksum`` or ``lso``, encrypted or not, the TCP or UDP checksum
        field holds the sum of the pseudo-header with the length of the whole.
        With ``lso`` segment k leaves with sequence number + k.
        """
        values = _zeros(TX_DESCRIPTOR) | dict(descriptor)
        trace: Trace = [("tx.in", values | {"frame": frame.hex()})]
        sa = self.sas[SaDirection.TX].get(values["sa"])
        expired = sa is not None and self.sas[SaDirection.TX].lifetime(values["sa"]).expired
        unsupported = values["lso"] and not self.features.lso
        status = (TxStatus.DROP_UNSUPPORTED if unsupported
                  else _check_request(values, frame, sa, expired))
        out: list[bytes] = []
        if status > TxStatus.BYPASSED:
            trace.append(("tx.verdict", {"status": status.name, "sa": values["sa"]}))
        else:
            for index, clear in enumerate(_clear_frames(values, frame, sa)):
                if values["lso"] or values["checksum"]:
                    trace.append(("tx.segment", {"frame": clear.hex()}))
                trace.append(("tx.verdict", {"status": status.name, "sa": values["sa"]}))
                if status == TxStatus.SEALED:
                    assert sa is not None
                    sequence = values["sequence"] + index
                    clear = _seal(values | {"sequence": sequence}, clear, sa, trace)
                trace.append(("tx.out", {"frame": clear.hex()}))
                out.append(clear)
        if sa is not None and status == TxStatus.SEALED:
            icv_bytes = sa.icv.bytes if values["trailer"] else 0
            self._use(
                SaDirection.TX, values["sa"], len(out),
                len(frame) - icv_bytes - values["esp_offset"] - ESP_TEXT_OFFSET,
                values["sequence"] + len(out) - 1)
        limit = (SUPER_FRAME_BYTES_MAX if values["lso"] and self.features.lso
                 else FRAME_BYTES_MAX)
        self._count("tx", status, min(len(frame), limit), out)
        return TxResult(status, tuple(out), trace)

    def _use(
        self, direction: SaDirection, handle: int, packets: int, text_bytes: int, sequence: int,
    ) -> None:
        """Count what an SA served; ``sequence`` is that of the last packet."""
        for kind in self.sas[direction].lifetime(handle).count(packets, text_bytes):
            self.events.push(kind, direction, handle, sequence)

    def _count(
        self, side: str, status: RxStatus | TxStatus, bytes_in: int, out: Sequence[bytes],
    ) -> None:
        """Count a frame that came, or a request: its status once for each frame that leaves.

        What is oversize is cut at the limit, and the rest of it is not looked at.
        """
        self.counters[f"{side}_{status.name.lower()}"] += max(1, len(out))
        self.counters[f"{side}_packets_in"] += 1
        self.counters[f"{side}_bytes_in"] += bytes_in
        self.counters[f"{side}_packets_out"] += len(out)
        self.counters[f"{side}_bytes_out"] += sum(map(len, out))
        if status is RxStatus.OK:
            self.counters["rx_bytes_opened"] += sum(map(len, out))
        elif status is TxStatus.SEALED:
            self.counters["tx_bytes_sealed"] += sum(map(len, out))
        elif side == "tx" and status > TxStatus.BYPASSED:
            self.counters["tx_bytes_dropped"] += bytes_in


def _open(
    frame: bytes, parsed: Parsed, sa: SecurityAssociation, high: int,
    state: tuple[Window | None, bool], trace: Trace,
) -> _Opened:
    """Decrypt a frame whose SA was found; adds the trace points of the decryption.

    ``high`` is the high half of its sequence number, ``state`` the device's replay window and
    whether the SA has expired.
    """
    window, expired = state
    if parsed.esp_bytes < ESP_TEXT_OFFSET + ESP_TRAILER_MIN_BYTES + sa.icv.bytes:
        return _Opened(RxStatus.SYNTAX)
    end = parsed.esp_offset + parsed.esp_bytes
    if len(frame) < end:
        return _Opened(RxStatus.TRUNCATED)
    opened = esp.open(sa, high, frame[parsed.esp_offset:end])
    trace.append(("rx.open", {"text": opened.text.hex()}))
    trace.append(("rx.icv", {"tag": opened.tag.hex()}))
    sequence = high << 32 | parsed.sequence
    if window is not None and window.check(sequence) != RxStatus.OK:
        return _Opened(window.check(sequence))
    if expired:
        return _Opened(RxStatus.EXPIRED)
    if not opened.authentic:
        return _Opened(RxStatus.AUTH_FAILED)
    if window is not None:
        window.advance(sequence)
    used = _Opened(RxStatus.BAD_TRAILER, text_bytes=len(opened.text), sequence=sequence)
    trailer_bytes = trailer.length(opened.text)
    if trailer_bytes is None:
        return used
    text_offset = parsed.esp_offset + ESP_TEXT_OFFSET
    plain = frame[:text_offset] + opened.text + frame[text_offset + len(opened.text):]
    return replace(used, status=RxStatus.OK, plain=plain, fields={
        "esp_offset": parsed.esp_offset,
        "next_header": opened.text[-1],
        "trailer_bytes": trailer_bytes + sa.icv.bytes,
    }, payload_end=end - sa.icv.bytes - trailer_bytes)


def _check_request(
    values: Mapping[str, int], frame: bytes, sa: SecurityAssociation | None, expired: bool,
) -> TxStatus:
    """Whether a request can be done: the first check that fails gives the status."""
    refused = _check_frame(values, len(frame))
    if refused is not None:
        return refused
    if values["operation"] == TxOperation.BYPASS:
        return TxStatus.BYPASSED
    if sa is None:
        return TxStatus.DROP_NO_SA
    limit = 1 << (64 if sa.esn else 32)
    if not 0 < values["sequence"] < limit:
        return TxStatus.DROP_SEQUENCE
    refused = _check_esp(values, frame, sa)
    if refused is not None:
        return refused
    if expired:
        return TxStatus.DROP_EXPIRED
    if values["lso"] and values["sequence"] + segment.count(values, len(frame)) > limit:
        return TxStatus.DROP_LSO_SEQUENCE
    return TxStatus.SEALED


def _check_frame(values: Mapping[str, int], frame_bytes: int) -> TxStatus | None:
    """The checks that need neither SA nor contents."""
    if values["lso"]:
        if frame_bytes > SUPER_FRAME_BYTES_MAX:
            return TxStatus.DROP_LSO_OVERSIZE
        return segment.check_lso(values, frame_bytes)
    if frame_bytes > FRAME_BYTES_MAX:
        return TxStatus.DROP_OVERSIZE
    return segment.check_checksum(values, frame_bytes) if values["checksum"] else None


def _check_esp(
    values: Mapping[str, int], frame: bytes, sa: SecurityAssociation,
) -> TxStatus | None:
    """The checks of ESP header, text and trailer."""
    offset = values["esp_offset"]
    text_offset = offset + ESP_TEXT_OFFSET
    if offset < ESP_OFFSET_MIN or offset % HEADER_ALIGNMENT_BYTES != HEADER_PHASE_BYTES:
        return TxStatus.DROP_SYNTAX
    if len(frame) < text_offset:
        return TxStatus.DROP_SYNTAX
    if values["trailer"]:
        text_bytes = len(frame) - text_offset - sa.icv.bytes
        if text_bytes < ESP_ALIGNMENT_BYTES or text_bytes % ESP_ALIGNMENT_BYTES:
            return TxStatus.DROP_SYNTAX
    if int.from_bytes(frame[offset:offset + 4], "big") != sa.spi:
        return TxStatus.DROP_SPI
    if values["trailer"] and not _trailer_fits(values, frame, sa):
        return TxStatus.DROP_TRAILER
    return None


def _trailer_fits(values: Mapping[str, int], frame: bytes, sa: SecurityAssociation) -> bool:
    """Whether the pad of the trailer in a frame begins behind ESP IV and what is summed."""
    pad_length = frame[-sa.icv.bytes - ESP_TRAILER_MIN_BYTES]
    pad_at = len(frame) - sa.icv.bytes - ESP_TRAILER_MIN_BYTES - pad_length
    payload_end = values["esp_offset"] + ESP_TEXT_OFFSET
    if values["checksum"] and values["l4_protocol"] in checksum.FIELD_AT:
        payload_end = values["l4_offset"] + values["l4_bytes"]
    return payload_end <= pad_at


def _clear_frames(
    values: Mapping[str, int], frame: bytes, sa: SecurityAssociation | None,
) -> list[bytes]:
    """The frames of a good request before they are sealed, each with its checksum."""
    if values["lso"]:
        return segment.cut(values, frame, sa.icv.bytes if sa else 0)
    return [segment.put_checksum(values, frame) if values["checksum"] else frame]


def _seal(
    values: Mapping[str, int], frame: bytes, sa: SecurityAssociation, trace: Trace,
) -> bytes:
    """The wire frame of a good request; adds the trace points of the encryption."""
    offset, sequence = values["esp_offset"], values["sequence"]
    text_offset = offset + ESP_TEXT_OFFSET
    if values["trailer"]:
        text = frame[text_offset:-sa.icv.bytes]
    else:
        payload = frame[text_offset:]
        text = payload + trailer.build(len(payload), values["next_header"])
    sealed = esp.seal(sa, sequence, text)
    trace += [
        ("tx.trailer", {"text": text.hex()}),
        ("tx.seqiv", {"spi": sa.spi, "sequence": sequence, "iv": sealed.iv.hex()}),
        ("tx.seal", {"text": sealed.ciphertext.hex()}),
        ("tx.icv", {"tag": sealed.tag.hex()}),
    ]
    return frame[:offset] + sealed.packet


def _parse_fields(status: RxStatus, parsed: Parsed | None) -> dict[str, Any]:
    if parsed is None:
        return {"status": status.name}
    return parsed.fields() | {"status": status.name, "destination": str(parsed.destination)}


def _zeros(layout: Layout) -> dict[str, int]:
    return dict.fromkeys((entry.name for entry in layout.fields), 0)
