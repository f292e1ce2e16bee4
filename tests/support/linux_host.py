"""A host, its driver and the model's device, for the tests of the Linux side."""

from random import Random

import pytest

from espnic.model.device.device import Device, RxResult, TxResult
from espnic.model.device.register_file import RegisterFile
from espnic.model.interface.codes import SaOperation, SaResult
from espnic.model.interface.features import Features
from espnic.model.linux.bus import ModelRegisters, RegisterError, run
from espnic.model.linux.driver import EspnicDriver
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.hardware import Hardware
from espnic.model.linux.host import Host
from espnic.model.linux.xfrm import Direction, OffloadFlags, XfrmState, state_of
from tests.support.sas import make_sa

SAS = 16
PACKET = OffloadFlags.PACKET


class RecordingRegisters(ModelRegisters):
    """Keeps the writes, and may let accesses of an offset fail."""

    def __init__(self, file: RegisterFile) -> None:
        super().__init__(file)
        self.writes: list[tuple[int, int]] = []
        self.broken: set[int] = set()

    async def read(self, offset: int) -> int:
        self._check(offset)
        return await super().read(offset)

    async def write(self, offset: int, value: int) -> None:
        self._check(offset)
        self.writes.append((offset, value))
        await super().write(offset, value)

    def _check(self, offset: int) -> None:
        if offset in self.broken:
            raise RegisterError("SLVERR")


class Bench:
    """One host with one device; ``device`` is what it registers, ``engine`` its model."""

    Registers = RecordingRegisters

    def __init__(self, features: Features | None = None, **options) -> None:
        self.engine = Device(features or Features(sas=SAS))
        self.registers = self.Registers(RegisterFile(self.engine))
        self.host = Host()
        self.driver = EspnicDriver(
            Hardware(self.registers), Random(1), self.host.expired, **options)
        run(self.driver.probe())
        self.device = self.driver.device

    def add(self, x: XfrmState, device="own", flags: int = 0) -> XfrmState:
        """Add an SA to the host, offloaded to its own device unless another is given."""
        run(self.host.add(x, self.device if device == "own" else device, flags))
        return x

    def send(self, x: XfrmState, clear: bytes, device=None, **how) -> list[bytes]:
        """Send a clear packet; the frames on the wire."""
        sent = self.host.output.send(x, clear, device or self.device, **how)
        results = [self.transmit(request) for request in sent.requests]
        return [frame for result in results for frame in result.frames]

    def transmit(self, request) -> TxResult:
        return self.engine.transmit(request.descriptor, request.frame)

    def receive(self, frame: bytes) -> bytes | None:
        """Let a frame come from the wire; the clear packet that the host gets, if any."""
        skb = self.skb(frame)
        packet = self.host.input.receive(skb)
        run(self.driver.run_work())
        return packet

    def skb(self, frame: bytes):
        """Socket buffer that the driver hands up for a frame from the wire."""
        result: RxResult = self.engine.receive(frame)
        assert result.frame is not None
        return self.driver.receive(result.frame, result.completion)


def inbound(sa=None, **more) -> XfrmState:
    return state_of(sa or make_sa(), Direction.IN, **more)


def outbound(sa=None, **more) -> XfrmState:
    return state_of(sa or make_sa(), Direction.OUT, **more)


def pair(sa, **options) -> tuple[Bench, XfrmState, Bench, XfrmState]:
    """Two hosts with an SA from the first to the second, and its two states."""
    sender, receiver = Bench(**options), Bench(**options)
    return sender, sender.add(outbound(sa)), receiver, receiver.add(inbound(sa))


def refused(call) -> LinuxError:
    """Error with which a call is refused."""
    with pytest.raises(LinuxError) as caught:
        call()
    return caught.value


def fence(bench, monkeypatch) -> list[bool]:
    """Let flushes find frames inside, until the list is empty."""
    command, inside, fenced = bench.engine.command, [True], [False]

    def with_frames_in_flight(values):
        if values["operation"] == SaOperation.FLUSH:
            fenced[0] = bool(inside)
        result = command(values)
        kept_out = (SaOperation.FLUSH, SaOperation.ADD)
        return SaResult.EBUSY if fenced[0] and values["operation"] in kept_out else result
    monkeypatch.setattr(bench.engine, "command", with_frames_in_flight)
    return inside
