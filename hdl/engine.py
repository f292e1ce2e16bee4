"""The ESP offload engine: the top."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.frame_gate import FrameGate
from espnic.hdl.flow.frames_inside import FramesInside
from espnic.hdl.flow.null_end import NullEnd
from espnic.hdl.gcm.form import form_of
from espnic.hdl.host.axi_lite import AxiLitePort
from espnic.hdl.host.counter_bank import rx_leaves, tx_leaves
from espnic.hdl.host.registers import Registers
from espnic.hdl.layouts import RxCompletion, TxDescriptor
from espnic.hdl.rx.path import BAD_BIT, RxPath, rx_points
from espnic.hdl.sa.store import SaStore
from espnic.hdl.tx.path import TxPath, tx_points
from espnic.model.interface.features import ALL, Features


def axi_stream_ports(prefix: str, width: int, user_bits: int, direction) -> dict:
    """The signals of an AXI4-Stream port whose data goes in ``direction``."""
    against = Out if direction is In else In
    ports = {
        f"{prefix}_tdata": direction(width),
        f"{prefix}_tkeep": direction(width // 8),
        f"{prefix}_tlast": direction(1),
        f"{prefix}_tvalid": direction(1),
        f"{prefix}_tready": against(1),
    }
    if user_bits:
        ports[f"{prefix}_tuser"] = direction(user_bits)
    return ports


def axi_lite_ports(prefix: str) -> dict:
    """The signals of an AXI4-Lite subordinate port."""
    return {
        f"{prefix}_{name}": member.flip()
        for name, member in AxiLitePort.members.items()
    }


def tap_ports(features: Features) -> dict:
    """Flat ports of the trace points."""
    ports = {}
    for side, present, points in (("rx", features.receive, rx_points),
                                  ("tx", features.transmit, tx_points)):
        for name, shape in points(features.width).items() if present else ():
            ports[f"tap_{side}_{name}_valid"] = Out(1)
            ports[f"tap_{side}_{name}_payload"] = Out(shape)
    return ports


class Engine(wiring.Component):
    """Inline ESP offload between a host and a wire, in both directions.

    ::

        s_axis_tx ─ TxPath ─ m_axis_tx        segments, sums, seals
                      │ SA by handle
        s_axil ─ Registers ─ SaStore
                      │ SA by destination, SPI, encapsulation
        m_axis_rx ─ RxPath ─ s_axis_rx        opens, sums

    Frames start at the Ethernet header, without FCS, and are no longer than
    ``FRAME_BYTES_MAX``, super-frames no longer than ``SUPER_FRAME_BYTES_MAX``; the first
    byte lies in tdata[7:0]. AXI4-Stream (AMBA IHI 0051): continuous, packed streams,
    in which tkeep has zeros on a frame's last beat only, at the top; that beat may have no byte
    at all, and counts for nothing then. AXI4-Lite: AMBA
    IHI 0022.

    The sideband, if the build has one, stands in the upper bits of each tuser: read on a frame's
    first beat, and given on every beat of a frame. All frames of a request leave with its sideband.

    Both paths take and give one beat each clock; text of ESP, if the cores are folded, one in as
    many clocks as they are folded by. Frames leave in the order in which
    they came. A transmit frame is stored until all of it has come, because a request is
    checked as a whole; a receive frame until its tag has been compared.

    Parameters
    ----------
    features : Features
        Width, size and parts of the build. A part that the build lacks has no logic; a direction
        that it lacks has no ports.
    taps : bool
        Bring the trace points out, for a simulation.

    Members
    -------
    s_axis_tx_* : AXI4-Stream subordinate
        Frames from the host; tuser is a TxDescriptor, read on a frame's first beat.
    m_axis_tx_* : AXI4-Stream manager
        Frames to the wire; without sideband there is no tuser.
    s_axis_rx_* : AXI4-Stream subordinate
        Frames from the wire; bit ``BAD_BIT`` of tuser is 1 on the last beat of a bad frame.
    m_axis_rx_* : AXI4-Stream manager
        Frames to the host; tuser is an RxCompletion, on every beat of its frame.
    s_axil_* : AXI4-Lite subordinate
        Registers (docs/registers.md).
    irq : Out(1)
        Level: an enabled event is pending.
    tap_<point>_valid, tap_<point>_payload : Out
        The transfers at each trace point.
    """

    def __init__(self, features: Features = ALL, taps: bool = False):
        self.features = features
        self.taps = taps
        width = features.width
        transmit = {
            **axi_stream_ports("s_axis_tx", width, TxDescriptor.size + features.sideband, In),
            **axi_stream_ports("m_axis_tx", width, features.sideband, Out),
        }
        receive = {
            **axi_stream_ports("s_axis_rx", width, BAD_BIT + 1 + features.sideband, In),
            **axi_stream_ports("m_axis_rx", width, RxCompletion.size + features.sideband, Out),
        }
        super().__init__({
            **(transmit if features.transmit else {}),
            **(receive if features.receive else {}),
            **axi_lite_ports("s_axil"),
            "irq": Out(1),
            **(tap_ports(features) if taps else {}),
        })

    def elaborate(self, platform):
        m = Module()
        features = self.features
        m.submodules.sas = sas = SaStore(features)
        m.submodules.registers = registers = Registers(features)
        self._connect_axi_lite(m, registers.axil)
        wiring.connect(m, registers.command, sas.command)
        wiring.connect(m, sas.response, registers.response)
        wiring.connect(m, sas.fault_event, registers.fault_event)
        m.d.comb += [
            sas.table_key.eq(registers.table_key),
            registers.rx_empty.eq(sas.rx_empty),
            registers.memory_faults.eq(sas.memory_faults),
            self.irq.eq(registers.irq),
            # These hold for a direction that is not there.
            registers.rx_stopped.eq(registers.quiesce),
            registers.tx_stopped.eq(registers.quiesce),
            registers.rx_idle.eq(sas.swept),
            registers.tx_idle.eq(sas.swept),
            sas.self_test.eq(registers.self_test),
            registers.self_tested.eq(sas.self_tested),
            registers.self_testing.eq(sas.self_testing),
        ]
        wiring.connect(m, sas.failure, registers.self_test_event)
        if features.receive:
            self._receive(m, sas, registers)
        if features.transmit:
            self._transmit(m, sas, registers)
        return m

    def _receive(self, m, sas, registers):
        """The receive path, between its streams, the SAs and the registers."""
        features = self.features
        m.submodules.rx = rx = RxPath(
            features.width, features.ipv6, bool(features.replay_window), features.sideband,
            form_of(features))
        self._connect_side(m, "rx", rx, 1, rx_leaves(rx.event.payload))
        wiring.connect(m, rx.lookup, sas.rx_i)
        wiring.connect(m, sas.rx_o, rx.sa)
        wiring.connect(m, rx.secrets, sas.rx_secrets)
        wiring.connect(m, rx.event, registers.rx_event)
        wiring.connect(m, rx.usage, sas.rx_usage)
        wiring.connect(m, sas.rx_told, registers.rx_sa_event)
        m.d.comb += [
            rx.esp_ports.eq(registers.esp_ports),
            sas.rx_in_flight.eq(rx.in_flight),
            sas.rx_judged.eq(rx.judged),
        ]
        if features.replay_window:
            wiring.connect(m, rx.window_query, sas.window_query)
            wiring.connect(m, sas.window_answer, rx.window_answer)
            m.d.comb += sas.received.eq(rx.received)

    def _transmit(self, m, sas, registers):
        """The transmit path, between its streams, the SAs and the registers."""
        features = self.features
        m.submodules.tx = tx = TxPath(
            features.width, features.lso, features.sideband, form_of(features))
        self._connect_side(m, "tx", tx, tx.event.payload.last, tx_leaves(tx.event.payload))
        wiring.connect(m, tx.read, sas.tx_i)
        wiring.connect(m, sas.tx_o, tx.sa)
        wiring.connect(m, tx.secrets, sas.tx_secrets)
        wiring.connect(m, tx.event, registers.tx_event)
        wiring.connect(m, tx.usage, sas.tx_usage)
        wiring.connect(m, sas.tx_told, registers.tx_sa_event)
        wiring.connect(m, tx.sent, sas.tx_sent)
        m.d.comb += [
            sas.tx_in_flight.eq(tx.in_flight),
            sas.tx_judged.eq(tx.judged),
        ]

    def _connect_side(self, m, side, path, last, leaves):
        """Wire the streams of a direction, and its trace points, to their flat ports.

        ``last``: the event of the path is the last of its request; ``leaves``: its frame is to
        leave.
        """
        registers = m.submodules.registers
        m.submodules[f"{side}_gate"] = gate = FrameGate(path.i.payload.shape())
        m.submodules[f"{side}_null_end"] = null_end = NullEnd(
            path.i.payload.shape(), BAD_BIT if side == "rx" else None)
        m.submodules[f"{side}_inside"] = inside = FramesInside()
        self._connect_subordinate(m, f"s_axis_{side}", gate.i)
        wiring.connect(m, gate.o, null_end.i)
        wiring.connect(m, null_end.o, path.i)
        self._connect_manager(m, f"m_axis_{side}", path.o)
        wiring.connect(m, getattr(m.submodules.sas, f"{side}_cipher"), path.cipher)
        m.d.comb += [
            gate.stop.eq(registers.quiesce | path.hold),
            path.still.eq(gate.stopped & inside.idle),
            path.cipher_failed.eq(getattr(m.submodules.sas, f"{side}_failed")),
            getattr(registers, f"{side}_failed").eq(path.cipher_failed),
            inside.began.eq(gate.began),
            inside.judged.eq(path.event.valid & last),
            inside.leaves.eq(path.event.valid & leaves),
            inside.left.eq(path.o.valid & path.o.ready & path.o.payload.tlast),
            getattr(registers, f"{side}_stopped").eq(gate.stopped),
            getattr(registers, f"{side}_idle").eq(inside.idle & m.submodules.sas.swept),
        ]
        for name in path.taps.signature.members if self.taps else ():
            point = getattr(path.taps, name)
            m.d.comb += [
                getattr(self, f"tap_{side}_{name}_valid").eq(point.valid),
                getattr(self, f"tap_{side}_{name}_payload").eq(point.payload),
            ]

    def _connect_subordinate(self, m, prefix, target):
        """Wire the flat ports of an AXI4-Stream subordinate to a stream."""
        m.d.comb += [
            target.valid.eq(getattr(self, f"{prefix}_tvalid")),
            getattr(self, f"{prefix}_tready").eq(target.ready),
        ]
        for field in target.payload.shape().members:
            if hasattr(self, f"{prefix}_{field}"):
                m.d.comb += getattr(target.payload, field).eq(getattr(self, f"{prefix}_{field}"))

    def _connect_manager(self, m, prefix, source):
        """Wire a stream to the flat ports of an AXI4-Stream manager."""
        m.d.comb += [
            getattr(self, f"{prefix}_tvalid").eq(source.valid),
            source.ready.eq(getattr(self, f"{prefix}_tready")),
        ]
        for field in source.payload.shape().members:
            if hasattr(self, f"{prefix}_{field}"):
                m.d.comb += getattr(self, f"{prefix}_{field}").eq(getattr(source.payload, field))

    def _connect_axi_lite(self, m, bus):
        """Wire the flat ports of the AXI4-Lite subordinate to its bus."""
        for name, member in AxiLitePort.members.items():
            port, signal = getattr(self, f"s_axil_{name}"), getattr(bus, name)
            m.d.comb += signal.eq(port) if member.flow is Out else port.eq(signal)
