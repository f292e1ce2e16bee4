"""All counters of the register block."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.host.counters import COUNTER_BITS, Counters
from espnic.hdl.layouts import MemoryFaults, RxEvent, TxEvent
from espnic.model.interface import registers as table
from espnic.model.interface.codes import RxStatus, TxStatus

COUNTER_INDEX_BITS = table.ADDRESS_BITS - exact_log2(table.COUNTER_BYTES)
"""Width of a counter's offset in the register block, counted in counters."""

CommandCounter = range(len(table.COMMANDS))
"""Shape of a place in ``model.interface.registers.COMMANDS``."""


def rx_leaves(event: Value) -> Value:
    """Whether the frame of an ``RxEvent`` is to leave."""
    return event.status != RxStatus.OVERSIZE


def tx_leaves(event: Value) -> Value:
    """Whether the frame of a ``TxEvent`` is to leave."""
    return event.status <= TxStatus.BYPASSED


class CounterBank(wiring.Component):
    """Counts frames by status, frames and bytes in total, SA commands, lost events and
    wrong rows.

    Counters of statuses and commands lie in RAMs, the others in registers. Each source counts
    once a clock. Latency 1 clock from ``index`` to ``value``, which includes all clocks before
    that of its ``index``. There are no errors.

    Members
    -------
    rx_event : In(stream.Signature(RxEvent, always_ready=True))
        Received frames.
    tx_event : In(stream.Signature(TxEvent, always_ready=True))
        Frames to send.
    command : In(stream.Signature(CommandCounter, always_ready=True))
        An SA command to count: its counter's place in ``model.interface.registers.COMMANDS``.
    lost : In(8)
        Events lost in this clock.
    memory_faults : In(MemoryFaults)
        Wrong rows that memories of the SA tables gave in this clock.
    index : In(COUNTER_INDEX_BITS)
        Counter to read: its offset in ``model.interface.registers.counters``, divided by
        ``COUNTER_BYTES``.
    value : Out(COUNTER_BITS)
        Its value; 0 if there is no such counter.
    """

    rx_event: In(stream.Signature(RxEvent, always_ready=True))
    tx_event: In(stream.Signature(TxEvent, always_ready=True))
    command: In(stream.Signature(CommandCounter, always_ready=True))
    lost: In(8)
    memory_faults: In(MemoryFaults)
    index: In(COUNTER_INDEX_BITS)
    value: Out(COUNTER_BITS)

    def elaborate(self, platform):
        m = Module()
        counters = table.counters()
        rx, tx = self.rx_event, self.tx_event
        banks = (
            ("rx", [f"rx_{status.name.lower()}" for status in RxStatus], rx, rx.payload.status),
            ("tx", [f"tx_{status.name.lower()}" for status in TxStatus], tx, tx.payload.status),
            ("commands", list(table.COMMANDS), self.command, self.command.payload),
        )
        values: dict[str, Value] = {}
        for name, members, source, kind in banks:
            offsets = [counters[member] for member in members]
            size = (max(offsets) - min(offsets)) // table.COUNTER_BYTES + 1
            m.submodules[name] = bank = Counters(size)
            m.d.comb += [
                bank.event.valid.eq(source.valid),
                bank.event.payload.eq(kind),
                bank.index.eq(self.index - min(offsets) // table.COUNTER_BYTES),
            ]
            values |= dict.fromkeys(members, bank.value)
        for name, (step, enable) in self._totals().items():
            values[name] = total = Signal(COUNTER_BITS, name=name)
            with m.If(enable):
                m.d.sync += total.eq(total + step)
        with m.Switch(self.index):
            for name, offset in counters.items():
                with m.Case(offset // table.COUNTER_BYTES):
                    m.d.sync += self.value.eq(values[name])
            with m.Default():
                m.d.sync += self.value.eq(0)
        return m

    def _totals(self) -> dict[str, tuple[Value | int, Value]]:
        """Give the counters in registers: what to add to each, and when."""
        rx, tx = self.rx_event.payload, self.tx_event.payload
        received, sent = self.rx_event.valid, self.tx_event.valid
        rx_out, tx_out = received & rx_leaves(rx), sent & tx_leaves(tx)
        return {
            "rx_packets_in": (1, received),
            "rx_packets_out": (1, rx_out),
            "rx_bytes_in": (rx.bytes, received),
            "rx_bytes_out": (rx.bytes, rx_out),
            "tx_packets_in": (1, sent & tx.first),
            "tx_packets_out": (1, tx_out),
            "tx_bytes_in": (tx.bytes_in, sent),
            "tx_bytes_out": (tx.bytes_out, tx_out),
            "rx_bytes_opened": (rx.bytes, received & (rx.status == RxStatus.OK)),
            "tx_bytes_sealed": (tx.bytes_out, sent & (tx.status == TxStatus.SEALED)),
            "tx_bytes_dropped": (tx.bytes_in, sent & ~tx_leaves(tx)),
            "events_lost": (self.lost, self.lost != 0),
            "memory_faults": (self.memory_faults, self.memory_faults != 0),
        }
