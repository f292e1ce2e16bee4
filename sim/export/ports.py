"""The ports of the engine by interface, with what each is for."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR
from espnic.sim.build.netlist import Netlist

BYTE_BITS = 8


class Kind(Enum):
    """Kind of an interface."""

    CLOCK = "clock"
    RESET = "reset"
    INTERRUPT = "interrupt"
    AXI_LITE = "AXI4-Lite"
    AXI_STREAM = "AXI4-Stream"


@dataclass(frozen=True)
class Part:
    """A part of a ``tuser``."""

    name: str
    low: int
    bits: int
    when: str
    """When it counts."""

    @property
    def place(self) -> str:
        """Its bits."""
        high = self.low + self.bits - 1
        return f"bits {high}:{self.low}" if self.bits > 1 else f"bit {self.low}"


@dataclass(frozen=True)
class Port:
    """A port of the module that is shipped."""

    name: str
    direction: str
    """``input`` or ``output``."""
    bits: int
    """Width, of ``tuser`` in whole bytes."""
    used_bits: int
    """Bits with a meaning, from bit 0 up."""
    meaning: str
    parts: tuple[Part, ...] = ()
    """The parts of a ``tuser``, from bit 0 up."""

    @property
    def signal(self) -> str:
        """Its name in its interface: ``tdata`` of ``s_axis_tx_tdata``."""
        return self.name.rsplit("_", 1)[-1]


@dataclass(frozen=True)
class Interface:
    """Ports that belong together."""

    name: str
    kind: Kind
    meaning: str
    ports: tuple[Port, ...]

    @property
    def is_manager(self) -> bool:
        """Whether the engine begins its transfers."""
        return self.name.startswith("m_")

    def bits(self, signal: str) -> int:
        """Width of one of its ports; 0 when it has none of this name."""
        return next((port.bits for port in self.ports if port.signal == signal), 0)


_INTERFACES = {
    "clk": (Kind.CLOCK, "clock of all ports, rising edge"),
    "rst": (Kind.RESET, "synchronous reset, active high"),
    "irq": (Kind.INTERRUPT, "interrupt, a level, active high"),
    "s_axil": (Kind.AXI_LITE, "registers"),
    "s_axis_tx": (Kind.AXI_STREAM, "frames from the host"),
    "m_axis_tx": (Kind.AXI_STREAM, "frames to the wire"),
    "s_axis_rx": (Kind.AXI_STREAM, "frames from the wire"),
    "m_axis_rx": (Kind.AXI_STREAM, "frames to the host"),
}
"""Kind and meaning of each interface, in the order of the ports."""

_SIGNALS = {
    Kind.AXI_LITE: {
        "awaddr": "byte address to write", "awprot": "ignored", "awvalid": "awaddr is there",
        "awready": "awaddr is taken",
        "wdata": "word to write", "wstrb": "bytes of wdata that count", "wvalid": "wdata is there",
        "wready": "wdata is taken",
        "bresp": "0 done, 2 refused (SLVERR)", "bvalid": "bresp is there",
        "bready": "bresp is taken",
        "araddr": "byte address to read", "arprot": "ignored", "arvalid": "araddr is there",
        "arready": "araddr is taken",
        "rdata": "word read", "rresp": "0 done, 2 refused (SLVERR)", "rvalid": "rdata is there",
        "rready": "rdata is taken",
    },
    Kind.AXI_STREAM: {
        "tdata": "a beat, its first byte in bits 7:0", "tkeep": "bytes of a last beat, from bit 0",
        "tlast": "last beat of a frame", "tuser": "what belongs to the frame",
        "tvalid": "a beat is there", "tready": "the beat is taken",
    },
}
"""Meaning of each signal of a bus, in the order of the ports."""
FIRST, LAST = "on a frame's first beat", "on a frame's last beat"
EVERY = "on every beat of its frame"
_PARTS = {
    "s_axis_tx_tuser": (Part("descriptor", 0, TX_DESCRIPTOR.bits, FIRST),),
    "s_axis_rx_tuser": (Part("bad", 0, 1, LAST),),
    "m_axis_rx_tuser": (Part("completion", 0, RX_COMPLETION.bits, EVERY),),
}
"""Parts of each ``tuser`` below the sideband."""


def interfaces(netlist: Netlist) -> tuple[Interface, ...]:
    """The interfaces of a build. Raises ``ValueError`` for a port that belongs to none."""
    left = dict(netlist.ports)
    found = []
    for name, (kind, meaning) in _INTERFACES.items():
        ports = [
            _port(port, signal, meaning, netlist)
            for port, signal, meaning in _named(name, kind, meaning) if left.pop(port, 0)]
        if ports:
            found.append(Interface(name, kind, meaning, tuple(ports)))
    if left:
        raise ValueError(f"port {min(left)}: of no interface in sim/export/ports.py")
    return tuple(found)


def _named(name: str, kind: Kind, meaning: str) -> list[tuple[str, str, str]]:
    """Name, signal and meaning of each port that an interface may have."""
    if kind not in _SIGNALS:
        return [(name, name, meaning)]
    return [(f"{name}_{signal}", signal, said) for signal, said in _SIGNALS[kind].items()]


def _port(name: str, signal: str, meaning: str, netlist: Netlist) -> Port:
    used = netlist.ports[name]
    direction = "input" if name in netlist.inputs else "output"
    if signal != "tuser":
        return Port(name, direction, used, used, meaning)
    parts, bits = _parts(name, used), -(-used // BYTE_BITS) * BYTE_BITS
    meaning = "; ".join(
        (f"{part.place}: " if part.bits != bits else "") + f"{part.name}, {part.when}"
        for part in parts)
    return Port(name, direction, bits, used, meaning, parts)


def _parts(name: str, used: int) -> tuple[Part, ...]:
    """The parts of a ``tuser`` of which so many bits are used."""
    parts = _PARTS.get(name, ())
    low = sum(part.bits for part in parts)
    when = FIRST if name.startswith("s_") else EVERY
    return (*parts, Part("sideband", low, used - low, when)) if used > low else parts


def described(found: Sequence[Interface]) -> list[dict[str, Any]]:
    """The ports in order, as the summary of a build tells them."""
    return [
        {"name": port.name, "direction": port.direction, "bits": port.bits,
         "interface": each.name, "meaning": port.meaning,
         **({"parts": [asdict(part) for part in port.parts]} if port.parts else {})}
        for each in found for port in each.ports]
