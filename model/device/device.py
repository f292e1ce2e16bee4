"""The whole offload device: SA commands, transmit, receive, counters, and a trace of each step.

A trace is a list of ``(point, fields)``: the values at the boundaries of the
hardware's stages. Byte strings stand in it as hex text, numbers as numbers, statuses as
their names. ``model.trace`` writes and compares traces.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from espnic.model.device import receive_checksum, segment
from espnic.model.device.events import EventQueue
from espnic.model.device.opening import Opened, SaState, Trace, open_frame
from espnic.model.device.sealing import check_request, clear_frames, seal_frame
from espnic.model.device.wrong_rows import REWRITTEN, WrongRows
from espnic.model.esp import esn
from espnic.model.esp.replay import Window, high_above
from espnic.model.esp.sent import SentNumbers
from espnic.model.interface import registers
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    FRAME_BYTES_MAX,
    SELECT_MAX,
    SUPER_FRAME_BYTES_MAX,
    EventKind,
    ReplayWindow,
    RxChecksum,
    RxStatus,
    SaDirection,
    SaMemory,
    SaOperation,
    SaResult,
    SaSelect,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.features import ALL, Features
from espnic.model.interface.headers import IPV6_VERSION
from espnic.model.interface.layouts import RX_COMPLETION, SA_RESPONSE, TX_DESCRIPTOR
from espnic.model.net import packet
from espnic.model.net.addresses import lookup_key
from espnic.model.net.packet import Parsed
from espnic.model.sa.sa import DEVICE_WINDOWS, SecurityAssociation, from_command
from espnic.model.sa.table import SaTable

IN_FLIGHT_MAX = 64
"""Most frames that the receive path holds before their verdict."""

_COUNTED_COMMANDS: dict[int, str] = {SaOperation.ADD: "sa_add", SaOperation.DELETE: "sa_delete"}


@dataclass(frozen=True)
class RxResult:
    """Outcome of a received frame, as the host gets it."""

    completion: dict[str, int]
    """The fields of RX_COMPLETION."""
    frame: bytes | None
    """The frame as it leaves; None when OVERSIZE: then neither it nor the completion leaves."""
    trace: Trace

    @property
    def status(self) -> RxStatus:
        """Status in the completion."""
        return RxStatus(self.completion["status"])


@dataclass(frozen=True)
class TxResult:
    """Outcome of a request to send, as it leaves on the wire."""

    status: TxStatus
    frames: tuple[bytes, ...]
    """The segments of a super-frame, else one frame; empty when the request was refused."""
    trace: Trace

    @property
    def frame(self) -> bytes | None:
        """The one frame of a request that is no super-frame; None when it was refused."""
        return self.frames[0] if self.frames else None


class Device:
    """The device as its driver and its two packet ports see it.

    ``features`` are the parts of the build. Its two SA tables, receive and transmit, have
    the handles 1 to ``features.sas - 1``. ``esp_ports`` are the UDP ports to which ESP is
    received; 0 is none. ``wrong_rows`` lets bits of its memories turn, for tests of software.

    The ciphers of the directions in ``broken`` fail each ``self_test``: a fault, for tests of
    software. The first is done here, as after a reset; it takes no time.
    """

    def __init__(
        self, features: Features = ALL, broken: Collection[SaDirection] = (),
    ) -> None:
        self.features = features
        self.broken = set(broken)
        self.failed: frozenset[SaDirection] = frozenset()
        """Directions whose cipher has failed the last self-test: no SA of theirs serves."""
        self.sas = {direction: SaTable(features.sas, direction) for direction in SaDirection}
        self.counters = dict.fromkeys(registers.counters(), 0)
        self.events = EventQueue(self.counters)
        self.wrong_rows = WrongRows(self.events, self.counters)
        self.esp_ports = registers.PORTS_DEFAULT
        self._windows: dict[int, Window] = {}
        self.sent: dict[int, SentNumbers] = {}
        """Numbers that the transmit SAs have sealed, by handle."""
        self._repeaters: set[int] = set()
        """Handles of the SAs of which the event REPEATED has told."""
        self._begins: deque[tuple[int, int]] = deque(maxlen=IN_FLIGHT_MAX)
        """For each of the last frames received: its handle, and the start of that SA's window
        before the frame."""
        self.self_test()

    def self_test(self) -> None:
        """Test the ciphers of the directions that there are, and tell of those that fail."""
        self.failed = frozenset(
            direction for direction in self.broken if self._has(direction))
        for direction in sorted(self.failed):
            self.events.push(EventKind.SELF_TEST_FAILED, direction)

    def _has(self, direction: SaDirection) -> bool:
        """Whether the build has a direction."""
        return (self.features.receive if direction == SaDirection.RX
                else self.features.transmit)

    def command(self, values: Mapping[str, int]) -> SaResult:
        """Do one SA command and count it.

        ``values`` are fields of SA_COMMAND; those not given are 0.
        """
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
        if values.get("reserved", 0) or values.get("select", 0) > SELECT_MAX:
            return SaResult.EINVAL
        table = self.sas[SaDirection(values.get("direction", 0))]
        handle = values.get("sa", 0)
        match operation:
            case SaOperation.ADD:
                result = self._add(table, handle, values)
                if result == SaResult.OK:
                    self._begin_numbers(table, handle)
                    self.wrong_rows.written(table.direction, handle, *SaMemory)
                return result
            case SaOperation.FLUSH:
                for each in self.sas.values():
                    each.flush()
                self.wrong_rows.clear()
                return SaResult.OK
        result = self._change(operation, table, handle, values)
        if result == SaResult.OK:
            self._write_rows(operation, table, handle, values)
        return result

    def _change(
        self, operation: SaOperation, table: SaTable, handle: int, values: Mapping[str, int],
    ) -> SaResult:
        """Do a command on an SA that is there."""
        select = SaSelect(values.get("select", 0))
        if (1 <= handle < table.size and not (
                operation == SaOperation.MODIFY and table.refuses(select))
                and self._wrong_for(operation, table, handle)):
            return SaResult.EIO
        match operation:
            case SaOperation.DELETE:
                return table.delete(handle)
            case SaOperation.MODIFY:
                return table.modify(handle, select, values)
            case SaOperation.READ:
                return table.read(handle)[0]
        return table.free(handle)

    def _wrong_for(self, operation: SaOperation, table: SaTable, handle: int) -> bool:
        """Whether a wrong row keeps a command from an SA."""
        rows, direction = self.wrong_rows, table.direction
        if rows.reads(direction, SaMemory.RECORD, handle):
            return True
        return (operation == SaOperation.DELETE and table.get(handle) is not None
                and rows.reads(direction, SaMemory.LOOKUP, handle))

    def _write_rows(
        self, operation: SaOperation, table: SaTable, handle: int, values: Mapping[str, int],
    ) -> None:
        """Note which rows a command has written."""
        memories: tuple[SaMemory, ...] = ()
        if operation == SaOperation.FREE:
            memories = (*REWRITTEN, SaMemory.SECRET)
        elif operation == SaOperation.DELETE or values.get("select", 0) & SaSelect.ESN:
            memories = REWRITTEN
        if memories and operation != SaOperation.READ:
            self.wrong_rows.written(table.direction, handle, *memories)

    def _add(self, table: SaTable, handle: int, values: Mapping[str, int]) -> SaResult:
        try:
            added = from_command(values)
            window = ReplayWindow(values.get("replay_window", 0))
        except ValueError:
            return SaResult.EINVAL
        if not 1 <= handle < table.size:
            return SaResult.EINVAL
        if self.wrong_rows.reads(table.direction, SaMemory.RECORD, handle):
            return SaResult.EIO
        receive = table.direction == SaDirection.RX
        present = self._has(table.direction)
        ipv6 = added.destination.version == IPV6_VERSION
        if (not present or ipv6 and not self.features.ipv6
                or receive and window.packets > self.features.replay_window):
            return SaResult.EOPNOTSUPP
        if table.direction in self.failed:
            return SaResult.EIO
        return table.add(handle, added)

    def read_sa(self, direction: SaDirection, handle: int) -> dict[str, int]:
        """The fields of SA_RESPONSE after a READ command."""
        result, sa = self.sas[direction].read(handle)
        values = SA_RESPONSE.zeros | {"result": int(result)}
        if sa is None:
            return values
        lifetime = self.sas[direction].lifetime(handle)
        return values | {
            "key_size": int(sa.key_size),
            "icv_size": int(sa.icv),
            "esn": int(sa.esn),
            "esn_overlap": int(sa.esn_overlap),
            "unguarded": int(sa.unguarded),
            "esn_high": sa.esn_high,
            **lookup_key(sa.destination, sa.encapsulation, sa.spi),
            **self._read_window(direction, handle, sa),
            **lifetime.limits.fields(),
            "packets": lifetime.packets,
            "bytes": lifetime.bytes,
        }

    def _begin_numbers(self, table: SaTable, handle: int) -> None:
        """Forget the numbers of the last SA with this handle, and begin those of a new one."""
        sa = table.get(handle)
        assert sa is not None, "an SA that was added is in use"
        top = sa.initial_seq - 1
        if table.direction == SaDirection.TX:
            self.sent[handle] = SentNumbers(self.features.sent_window, top)
            self._repeaters.discard(handle)
            return
        self._windows.pop(handle, None)
        if sa.device_window:
            self._windows[handle] = Window(sa.replay_window, sa.esn, top)

    def _read_window(
        self, direction: SaDirection, handle: int, sa: SecurityAssociation,
    ) -> dict[str, int]:
        size = {}
        if sa.device_window:
            size["replay_window"] = int(DEVICE_WINDOWS[sa.replay_window])
        if direction == SaDirection.TX:
            return size | {"sequence": self.sent[handle].top}
        return size | ({"sequence": self._windows[handle].top} if sa.device_window else {})

    # Receive

    def receive(self, frame: bytes, in_flight: int = 0, bad: bool = False) -> RxResult:
        """Take a frame from the wire: Ethernet header first, no FCS.

        Only a frame with status OK is changed: the plaintext, trailer included,
        stands in the place of the ciphertext and every other byte is as it came.
        A frame of more than ``FRAME_BYTES_MAX`` bytes is OVERSIZE whatever else it is, and any
        other that the MAC has found ``bad`` is BAD_FRAME: it is looked up, for nobody knows yet,
        but not opened.

        ``in_flight`` is the number of frames right before this one that had no verdict yet when
        this one's SA was looked up, at most ``IN_FLIGHT_MAX``. With ESN and a window in the device
        these frames do not count for the high half with which this frame is opened.
        """
        trace: Trace = [("rx.in", {"frame": frame.hex()})]
        status, parsed = packet.parse(frame, self.features.ipv6, self.esp_ports)
        trace.append(("rx.parse", _parse_fields(status, parsed)))
        fits = len(frame) <= FRAME_BYTES_MAX
        handle = begin = 0
        opened = Opened(status)
        if parsed is not None:
            handle = self._look_up(parsed, trace)
            opened = Opened(RxStatus.NO_SA)
            if handle and (SaDirection.RX in self.failed or self._found_wrong(handle)):
                handle, opened = 0, Opened(RxStatus.FAULT)
            window = self._windows.get(handle)
            begin = window.bottom if window else 0
            if handle and fits and not bad:
                opened = self._open(handle, parsed, frame, in_flight, trace)
        if opened.status == RxStatus.FAULT:
            handle = 0
        self._begins.append((handle, begin))
        if bad or not fits:
            status = RxStatus.BAD_FRAME if fits else RxStatus.OVERSIZE
            return self._deliver(frame, 0, Opened(status), RxChecksum.NONE, trace)
        outer = receive_checksum.outer_status(frame, parsed)
        return self._deliver(frame, handle, opened, outer, trace)

    def _look_up(self, parsed: Parsed, trace: Trace) -> int:
        """Handle of a frame's SA, 0 when there is none."""
        handle = self.sas[SaDirection.RX].look_up(
            parsed.destination, parsed.encapsulation, parsed.spi)
        shown = 0 if SaDirection.RX in self.failed else handle
        trace.append(("rx.lookup", {"hit": int(handle != 0), "sa": shown}))
        return handle

    def _found_wrong(self, handle: int) -> bool:
        """Whether a row of an SA that a frame has found is wrong."""
        return any(self.wrong_rows.reads(SaDirection.RX, memory, handle)
                   for memory in (SaMemory.LOOKUP, SaMemory.STATE))

    def _open(
        self, handle: int, parsed: Parsed, frame: bytes, in_flight: int, trace: Trace,
    ) -> Opened:
        """Open a frame with its SA; note what the SA served, and tell its events."""
        table = self.sas[SaDirection.RX]
        sa = table.get(handle)
        assert sa is not None, "a look-up finds no SA that is not in use"
        window = self._windows.get(handle)
        top = window.top if window else 0
        high = self._high(handle, sa, parsed.sequence, in_flight)
        wrong = self.wrong_rows.reads(SaDirection.RX, SaMemory.SECRET, handle)
        state = SaState(window, table.lifetime(handle).expired, wrong)
        opened = open_frame(frame, parsed, sa, high, state, trace)
        if window and sa.esn and (window.top ^ top) & esn.HALF:
            self.events.push(EventKind.ESN_HALF, SaDirection.RX, handle, window.top)
        if opened.text_bytes:
            self._use(SaDirection.RX, handle, 1, opened.text_bytes, opened.sequence)
        return opened

    def _deliver(
        self, frame: bytes, handle: int, opened: Opened, outer: RxChecksum, trace: Trace,
    ) -> RxResult:
        """Complete a frame: what leaves of it, its completion and its counters.

        ``outer``: the state of the UDP checksum in front of ESP.
        """
        out = None if opened.status == RxStatus.OVERSIZE else opened.plain or frame
        completion = RX_COMPLETION.zeros | opened.fields
        completion |= {
            "status": int(opened.status), "sa": handle, "outer_checksum": int(outer)}
        if out is not None:
            completion |= receive_checksum.fields(out, opened.payload_end)
        if opened.status == RxStatus.BAD_FRAME:
            completion["checksum_status"] = int(RxChecksum.NONE)
        trace.append(("rx.verdict", completion | {"status": opened.status.name}))
        if out is not None:
            trace.append(("rx.out", {"frame": out.hex()}))
        self._count("rx", opened.status, min(len(frame), FRAME_BYTES_MAX),
                    [] if out is None else [out])
        return RxResult(completion, out, trace)

    def _high(
        self, handle: int, sa: SecurityAssociation, sequence_low: int, in_flight: int,
    ) -> int:
        """High half of the sequence number with which a received frame is opened."""
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
        bytes where the IV goes and the payload. With ``trailer`` 1 it also has the
        trailer and as many bytes as the ICV will take; with 0 the device
        appends both. The bytes in the places of sequence number, IV and ICV
        do not matter.

        With ``checksum`` or ``lso``, encrypted or not, the TCP or UDP checksum
        field holds the sum of the pseudo-header with the length of the whole.
        With ``lso`` segment k leaves with sequence number + k.

        No number is sealed twice under an SA, unless the SA is unguarded: such a request is
        refused, and the first of an SA tells an event.
        """
        values = TX_DESCRIPTOR.zeros | dict(descriptor)
        trace: Trace = [("tx.in", values | {"frame": frame.hex()})]
        status = self._check(values, frame)
        out = []
        if status > TxStatus.BYPASSED:
            trace.append(_tx_verdict(status, values))
            self._tell_repeater(status, values)
        else:
            out = self._send(values, frame, status, trace)
            if status == TxStatus.SEALED and self.wrong_rows.reads(
                    SaDirection.TX, SaMemory.SECRET, values["sa"]):
                # What the SA has served is known by now, and stays counted.
                status, out = TxStatus.DROP_FAULT, []
                trace[1:] = [_tx_verdict(status, values)]
        limit = (SUPER_FRAME_BYTES_MAX if values["lso"] and self.features.lso
                 else FRAME_BYTES_MAX)
        self._count("tx", status, min(len(frame), limit), out)
        return TxResult(status, tuple(out), trace)

    def _check(self, values: Mapping[str, int], frame: bytes) -> TxStatus:
        """Whether a request can be done, in this build and by its SA as it is now."""
        if values["operation"] not in tuple(TxOperation):
            return TxStatus.DROP_OPERATION
        if any(values.get(field.name) for field in TX_DESCRIPTOR.fields if field.reserved):
            return TxStatus.DROP_RESERVED
        if values["lso"] and not self.features.lso:
            return TxStatus.DROP_UNSUPPORTED
        table = self.sas[SaDirection.TX]
        sa = table.get(values["sa"])
        wrong = self.wrong_rows.reads(SaDirection.TX, SaMemory.STATE, values["sa"])
        expired = sa is not None and table.lifetime(values["sa"]).expired
        failed = sa is not None and SaDirection.TX in self.failed
        status = check_request(values, frame, sa, expired, wrong or failed)
        if status != TxStatus.SEALED or sa is None or sa.unguarded:
            return status
        count = segment.count(values, len(frame)) if values["lso"] else 1
        return self.sent[values["sa"]].check(values["sequence"], count)

    def _tell_repeater(self, status: TxStatus, values: Mapping[str, int]) -> None:
        """Tell the first refusal of an SA for its sequence numbers."""
        handle = values["sa"]
        if status in (TxStatus.DROP_LATE, TxStatus.DROP_REPEATED) and handle not in self._repeaters:
            self._repeaters.add(handle)
            self.events.push(EventKind.REPEATED, SaDirection.TX, handle, values["sequence"])

    def _send(
        self, values: Mapping[str, int], frame: bytes, status: TxStatus, trace: Trace,
    ) -> list[bytes]:
        """The frames that leave for a good request; note what its SA served."""
        sa = self.sas[SaDirection.TX].get(values["sa"]) if status == TxStatus.SEALED else None
        out = []
        for index, leaving in enumerate(clear_frames(values, frame, sa)):
            if values["lso"] or values["checksum"]:
                trace.append(("tx.segment", {"frame": leaving.hex()}))
            trace.append(_tx_verdict(status, values))
            if sa is not None:
                leaving = seal_frame(values, leaving, sa, values["sequence"] + index, trace)
            trace.append(("tx.out", {"frame": leaving.hex()}))
            out.append(leaving)
        if sa is not None:
            icv_bytes = sa.icv.bytes if values["trailer"] else 0
            text_bytes = len(frame) - icv_bytes - values["esp_offset"] - ESP_TEXT_OFFSET
            last = values["sequence"] + len(out) - 1
            self._use(SaDirection.TX, values["sa"], len(out), text_bytes, last)
            self.sent[values["sa"]].seal(values["sequence"], len(out))
        return out

    def _use(
        self, direction: SaDirection, handle: int, packets: int, text_bytes: int, sequence: int,
    ) -> None:
        """Count what an SA served, and tell its events; ``sequence`` is that of the last packet."""
        for kind in self.sas[direction].lifetime(handle).count(packets, text_bytes):
            self.events.push(kind, direction, handle, sequence)

    def _count(
        self, side: str, status: RxStatus | TxStatus, bytes_in: int, out: Sequence[bytes],
    ) -> None:
        """Count a received frame or a request; its status once for each frame that leaves.

        ``side`` is "rx" or "tx". Bytes above the longest frame or super-frame are not in
        ``bytes_in``: the device does not look at them.
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


def _parse_fields(status: RxStatus, parsed: Parsed | None) -> dict[str, Any]:
    if parsed is None:
        return {"status": status.name}
    return parsed.fields() | {"status": status.name, "destination": str(parsed.destination)}


def _tx_verdict(status: TxStatus, values: Mapping[str, int]) -> tuple[str, dict[str, Any]]:
    return "tx.verdict", {"status": status.name, "sa": values["sa"]}
