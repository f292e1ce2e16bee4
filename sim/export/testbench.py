"""A testbench of a build in plain Verilog, which compares with the golden model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from ipaddress import ip_address

from espnic.model.device.device import Device
from espnic.model.host.stack import Outgoing, Request, device_request
from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ESP_IV_BYTES,
    ETHERNET_HEADER_BYTES,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    SaDirection,
    SaOperation,
    TxOperation,
)
from espnic.model.interface.features import ALL, SIDEBAND_MAX, Features
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR
from espnic.model.interface.registers import (
    BY_NAME,
    CAPABILITIES,
    EVENT_HEAD,
    IDENTIFICATION,
    SA_DOORBELL,
    SA_PARAMETERS,
    SA_STATUS,
    Register,
    capabilities,
    counters,
)
from espnic.model.net import gso, ip
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import SecurityAssociation, command_values
from espnic.sim.export.ports import BYTE_BITS, Interface

HANDLE = 1
MSS = 100
SUPER_PAYLOAD_BYTES = 250
INSIDE = (ip_address("10.0.0.1"), ip_address("10.0.0.2"))
SA = SecurityAssociation(
    spi=0x11223344, source=ip_address("192.0.2.1"), destination=ip_address("192.0.2.2"),
    key=bytes(range(16)), salt=bytes.fromhex("cafebabe"), seqiv_salt=bytes(range(8)),
    limits=Limits(soft_packets=1))
"""The SA of both directions. Its soft limit makes an event of the first packet."""
_UDP_HEADER = bytes.fromhex("10002000001c0000")
_TCP_HEADER = bytes.fromhex("10002000000000640000000050190fff00000000")
_LINE_BYTES = 16
_PATTERN = (1 << SIDEBAND_MAX) // 7
"""A number whose multiples differ in every byte."""


@dataclass(frozen=True)
class Part:
    """Bytes of a frame that belong together."""

    data: bytes
    meaning: str


def packet_request() -> Request:
    """A packet to seal, sequence number 1; the engine adds trailer and ICV."""
    clear = _packet(IPPROTO_UDP, _UDP_HEADER + bytes(range(20)))
    return device_request(Outgoing(SA, 1, clear), HANDLE, with_trailer=False)


def super_request() -> Request:
    """A super-frame of TCP, sequence numbers 2 and up."""
    clear = _packet(IPPROTO_TCP, _TCP_HEADER + bytes(
        7 * place % 256 for place in range(SUPER_PAYLOAD_BYTES)))
    return device_request(Outgoing(SA, 2, gso.unfinished(clear), mss=MSS), HANDLE)


def _packet(protocol: int, payload: bytes) -> bytes:
    header = bytes([0x45, 0]) + bytes(6) + bytes([64, protocol, 0, 0])
    header += INSIDE[0].packed + INSIDE[1].packed
    return ip.fix_lengths(header, len(payload)) + payload


def parts(frame: bytes) -> list[Part]:
    """The parts of the frame of a request of this file."""
    layout = [
        (ETHERNET_HEADER_BYTES, "Ethernet"), (IPV4_HEADER_BYTES, "outer IPv4"),
        (ESP_HEADER_BYTES, "ESP: SPI, sequence number"), (ESP_IV_BYTES, "room for the IV"),
        (IPV4_HEADER_BYTES, "inner IPv4"), (len(frame), "TCP or UDP, payload"),
    ]
    found = []
    for count, meaning in layout:
        found.append(Part(frame[:count], meaning))
        frame = frame[count:]
    return found


@dataclass
class _Play:
    """The steps of a testbench, and the golden model that has taken them."""

    device: Device
    frames: dict[str, bytes] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    given: int = 0
    """Frames that have been given to the engine."""

    def comment(self, text: str) -> None:
        self.steps += ["", f"// {text}"]

    def add(self, direction: SaDirection) -> None:
        self.device.command(command_values(SaOperation.ADD, direction, HANDLE, SA))
        self.steps.append(f"add_{direction.name.lower()};")

    def transmit(self, name: str, made: Request, left: Sequence[str]) -> None:
        """Send a request called ``name``; its frames on the wire are called ``left``."""
        self.frames[name] = made.frame
        sideband = self._sideband()
        self.steps += [
            f"// {_said(made.descriptor)}",
            f"send_tx({name}, {len(made.frame)}, "
            f"{self._user(TX_DESCRIPTOR.pack(made.descriptor), TX_DESCRIPTOR.bits, sideband)});"]
        sent = self.device.transmit(made.descriptor, made.frame).frames
        for each, frame in zip(left, sent, strict=True):
            self.frames[each] = frame
            self.steps.append(
                f'expect_sent({each}, {len(frame)}, {self._user(0, 0, sideband)}, "{each}");')

    def receive(self, name: str, frame: bytes, left: str, bad: bool = False) -> None:
        """Receive a frame called ``name``; at the host it is called ``left``."""
        self.frames[name] = frame
        result = self.device.receive(frame, bad=bad)
        assert result.frame is not None, "no frame here is too long"
        self.frames[left] = result.frame
        sideband = self._sideband()
        completion = RX_COMPLETION.pack(result.completion)
        self.steps += [
            f"send_rx({name}, {len(frame)}, {self._user(int(bad), 1, sideband)});",
            f"// {_said(result.completion)}",
            f"expect_got({left}, {len(result.frame)}, "
            f'{self._user(completion, RX_COMPLETION.bits, sideband)}, "{name}");']

    def _sideband(self) -> int:
        """Another sideband for each frame."""
        self.given += 1
        return (_PATTERN * self.given) % (1 << self.device.features.sideband)

    def _user(self, value: int, bits: int, sideband: int) -> str:
        """A ``tuser`` in Verilog: a value of so many bits, and above it the sideband."""
        return f"{bits + self.device.features.sideband or 1}'h{sideband << bits | value:x}"

    def events(self) -> None:
        """Expect the events that have come, and take them off."""
        while len(self.device.events):
            event = self.device.events.head
            self.steps.append("expect_irq(1);")
            for register in EVENT_HEAD[:3]:
                self.steps.append(_expected(register, event | {"event_valid": 1}))
            self.steps.append(_written(BY_NAME["EVENT_POP"], {"event_pop": 1}))
            self.device.events.pop()
        self.steps.append("expect_irq(0);")

    def count(self) -> None:
        """Expect the counters that are not 0."""
        for name, offset in counters().items():
            if self.device.counters[name]:
                self.steps.append(
                    f'expect_word({_address(offset)}, {self.device.counters[name]}, "{name}");')


def testbench(interfaces: Sequence[Interface], features: Features, name: str) -> str:
    """Text of the module ``NAME_tb``."""
    play = _Play(Device(features))
    _steps(play, features)
    template = (resources.files("espnic.sim.export") / "testbench.v").read_text(encoding="utf-8")
    widths = {port.name: port.bits for each in interfaces for port in each.ports}
    fields = {part.name: part.low for part in SA_STATUS.fields}
    result = next(part for part in SA_STATUS.fields if part.name == "result")
    for mark, text in {
        "NAME": name,
        "BEAT_BYTES": str(features.width // 8),
        "FRAME_BYTES": str(max(map(len, play.frames.values()))),
        "S_TX_BITS": str(widths.get("s_axis_tx_tuser", TX_DESCRIPTOR.bits)),
        "M_TX_BITS": str(widths.get("m_axis_tx_tuser", BYTE_BITS)),
        "S_RX_BITS": str(widths.get("s_axis_rx_tuser", BYTE_BITS)),
        "M_RX_BITS": str(widths.get("m_axis_rx_tuser", RX_COMPLETION.bits)),
        "UNDRIVEN": "" if features.sideband else
                    "    assign m_axis_tx_tuser = 0; // not there without a sideband\n",
        "PINS": ",\n".join(_pins(interfaces)),
        "FRAMES": "\n".join(_constants(play.frames)),
        "SA_DOORBELL": f"{SA_DOORBELL.offset:03x}",
        "SA_STATUS": f"{SA_STATUS.offset:03x}",
        "DONE": str(fields["done"]),
        "RESULT": f"{result.low + result.bits - 1}:{result.low}",
        "ADD": "\n".join(_adding(features)),
        "STEPS": "\n".join(f"        {step}".rstrip() for step in play.steps),
    }.items():
        template = template.replace(f"@{mark}@", text)
    return template


def _steps(play: _Play, features: Features) -> None:
    play.comment("What is it?")
    here = capabilities(features)
    play.steps += [_expected(register, here) for register in (*IDENTIFICATION, *CAPABILITIES)]
    play.comment("Events raise the interrupt. An SA for each direction.")
    play.steps.append(_written(BY_NAME["IRQ_ENABLE"], {"event_present_enable": 1}))
    for direction, there in ((SaDirection.TX, features.transmit),
                             (SaDirection.RX, features.receive)):
        if there:
            play.add(direction)
    sealed = sealed_packet()
    if features.transmit:
        play.comment("A packet to seal. Its SA reaches its soft limit.")
        play.transmit("CLEAR", packet_request(), ["SEALED"])
        play.events()
    if features.receive:
        play.comment("The sealed packet comes back, but the MAC found it bad: nothing counts.")
        play.receive("BAD", sealed, "BAD", bad=True)
        play.events()
        play.comment("It comes again. Its SA reaches its soft limit.")
        play.receive("SEALED", sealed, "OPENED")
        play.events()
        play.comment("The same with a wrong ICV leaves as it came.")
        play.receive("FORGED", sealed[:-1] + bytes([sealed[-1] ^ 1]), "FORGED")
    if features.lso:
        play.comment("A super-frame, cut to segments.")
        play.transmit("SUPER", super_request(), ["SEGMENT0", "SEGMENT1", "SEGMENT2"])
    play.comment("Counters")
    play.count()


def sealed_packet() -> bytes:
    """The frame of ``packet_request`` on the wire."""
    device = Device(ALL)
    device.command(command_values(SaOperation.ADD, SaDirection.TX, HANDLE, SA))
    made = packet_request()
    frame, = device.transmit(made.descriptor, made.frame).frames
    return frame


def _adding(features: Features) -> Iterator[str]:
    """The task of each direction that adds its SA."""
    for direction, there in ((SaDirection.RX, features.receive),
                             (SaDirection.TX, features.transmit)):
        if not there:
            continue
        values = command_values(SaOperation.ADD, direction, HANDLE, SA)
        yield f"    task add_{direction.name.lower()};"
        yield "        begin"
        yield from (f"            {_written(each, values)}" for each in SA_PARAMETERS)
        yield f"            command(32'h{_word(SA_DOORBELL, values):08x});"
        yield "        end"
        yield "    endtask"


def _word(register: Register, values: Mapping[str, int]) -> int:
    """A register with these fields; fields not given are 0."""
    return sum((values.get(part.name, 0) >> part.part & (1 << part.bits) - 1) << part.low
               for part in register.fields)


def _written(register: Register, values: Mapping[str, int]) -> str:
    return (f"write({_address(register.offset)}, 32'h{_word(register, values):08x}); "
            f"// {register.name}")


def _expected(register: Register, values: Mapping[str, int]) -> str:
    return (f"expect_word({_address(register.offset)}, 32'h{_word(register, values):08x}, "
            f'"{register.name}");')


def _address(offset: int) -> str:
    return f"12'h{offset:03x}"


def _said(values: Mapping[str, int]) -> str:
    """The fields that are not 0."""
    shown = {name: TxOperation(value).name if name == "operation" else value
             for name, value in values.items() if value}
    return ", ".join(f"{name} {value}" for name, value in shown.items()) or "all fields 0"


def _pins(interfaces: Iterable[Interface]) -> Iterator[str]:
    for each in interfaces:
        for port in each.ports:
            yield f"        .{port.name}({port.name})"


def _constants(frames: Mapping[str, bytes]) -> Iterator[str]:
    for name, frame in frames.items():
        yield f"    localparam [{8 * len(frame) - 1}:0] {name} = {{"
        yield from _lines(parts(frame) if name in ("CLEAR", "SUPER") else [Part(frame, "")])
        yield "    };"


def _lines(of: Sequence[Part]) -> Iterator[str]:
    """The bytes of parts, with what each is in front."""
    rows = [(part.meaning if start == 0 else "", part.data[start:start + _LINE_BYTES])
            for part in of for start in range(0, len(part.data), _LINE_BYTES)]
    for number, (meaning, data) in enumerate(rows, start=1):
        if meaning:
            yield f"        // {meaning}"
        comma = "," if number < len(rows) else ""
        yield f"        {8 * len(data)}'h{data.hex()}{comma}"
