"""Plans: the SA commands and frames that software gives the engine for a file of packets.

Each step depends on what the golden model makes of the steps before, so the plan holds the
model's outcome too.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random

from espnic.model.esp import esn
from espnic.model.esp.esn import EsnState
from espnic.model.host import receiver, stack
from espnic.model.host.stack import Outgoing, Request
from espnic.model.interface.codes import RxStatus, SaDirection, SaOperation, SaSelect, TxStatus
from espnic.model.interface.features import Features
from espnic.model.net import ip
from espnic.model.net.ethernet import strip_link
from espnic.model.net.ip import IpPacket
from espnic.model.sa.sa import (
    SEQIV_SALT_BYTES,
    SecurityAssociation,
    command_values,
    esp_ports,
)
from espnic.sim.capture.pcap import Capture
from espnic.sim.traffic.golden import Golden
from espnic.sim.traffic.steps import Command, Outcome, Ports, RxFrame, Step, TxFrame

IP_ID_BITS = 16


@dataclass
class Plan:
    """Steps for the engine, and the outcome that the model gives for them."""

    outcome: Outcome
    steps: list[Step] = field(default_factory=list)
    kept_back: list[str] = field(default_factory=list)
    """Number of each clear packet that was not given to the engine, and why not."""
    sealed: list[bytes] = field(default_factory=list)
    """Clear packets that left sealed and that a peer takes, in order."""
    peer_refuses: list[str] = field(default_factory=list)
    """Number of each clear packet that left sealed and that a Linux peer drops, and why."""


def plan_receive(
    frames: Iterable[bytes], sas: tuple[SecurityAssociation, ...], table_size: int,
) -> Plan:
    """Add the SAs, under handles 1 and up, then give the frames from the wire.

    The UDP ports of ESP are those of the SAs. With ESN the driver advances the high half as the
    sequence numbers pass 2^31, unless the device keeps the SA's replay window.
    """
    golden = Golden(Features(sas=table_size))
    plan = Plan(golden.outcome)
    drivers: dict[int, _EsnDriver] = {}
    ports = Ports(esp_ports(sas))
    if ports.numbers:
        golden.set_ports(ports)
        plan.steps.append(ports)
    for handle, sa in enumerate(sas, start=1):
        _command(plan, golden, Command(
            command_values(SaOperation.ADD, SaDirection.RX, handle, sa)))
        if sa.esn and not sa.device_window:
            drivers[handle] = _EsnDriver(handle, sa)
    for frame in frames:
        step = RxFrame(frame)
        plan.steps.append(step)
        result = golden.receive(step)
        driver = drivers.get(result.completion["sa"])
        if driver is None or result.status != RxStatus.OK:
            continue
        parsed = next(fields for point, fields in result.trace if point == "rx.parse")
        modify = driver.received(parsed["sequence"])
        if modify is not None:
            _command(plan, golden, modify)
    return plan


def with_seqiv_salts(
    sas: Iterable[SecurityAssociation], seed: int,
) -> tuple[SecurityAssociation, ...]:
    """The SAs, with a salt drawn at random for each that has none."""
    random = Random(seed)
    return tuple(
        sa if sa.seqiv_salt else replace(sa, seqiv_salt=random.randbytes(SEQIV_SALT_BYTES))
        for sa in sas
    )


def plan_transmit(
    clear: Capture, sas: tuple[SecurityAssociation, ...], table_size: int,
) -> Plan:
    """Add the SAs, under handles 1 and up, then give the clear packets as the stack frames them.

    A packet goes to the first SA that matches it. A packet that no SA matches, or that the
    engine cannot send, is kept back: nothing leaves in clear.
    """
    golden = Golden(Features(sas=table_size))
    plan = Plan(golden.outcome)
    numbers: dict[int, Iterator[int]] = {}
    for handle, sa in enumerate(sas, start=1):
        _command(plan, golden, Command(
            command_values(SaOperation.ADD, SaDirection.TX, handle, sa)))
        numbers[handle] = stack.sequence_numbers(sa)
    for number, packet in enumerate(clear.packets, start=1):
        try:
            link, data = strip_link(packet) if clear.ethernet else (stack.LINK, packet)
            split = ip.split(data)
            handle = _choose(split, sas)
            sequence = next(numbers[handle], None)
            if sequence is None:
                raise ValueError(f"SA {sas[handle - 1].name}: sequence numbers used up")
            outgoing = Outgoing(
                sas[handle - 1], sequence, data, link, ip_id=number % (1 << IP_ID_BITS))
            request = stack.device_request(outgoing, handle)
        except ValueError as problem:
            plan.kept_back.append(f"packet {number}: {problem}")
            continue
        step = TxFrame(request.descriptor, request.frame)
        plan.steps.append(step)
        if golden.transmit(step).status != TxStatus.SEALED:
            continue
        refusal = receiver.refusal(outgoing.sa, split)
        if refusal is None:
            plan.sealed.append(split.whole())
        else:
            plan.peer_refuses.append(f"packet {number}: {refusal}")
    return plan


def plan_handoff(
    sas: tuple[SecurityAssociation, ...], requests: Iterable[Request], table_size: int,
) -> Plan:
    """Add the SAs, under handles 1 and up, then give the requests that the stack handed down."""
    golden = Golden(Features(sas=table_size))
    plan = Plan(golden.outcome)
    for handle, sa in enumerate(sas, start=1):
        _command(plan, golden, Command(
            command_values(SaOperation.ADD, SaDirection.TX, handle, sa)))
    for request in requests:
        step = TxFrame(request.descriptor, request.frame)
        plan.steps.append(step)
        golden.transmit(step)
    return plan


def _choose(packet: IpPacket, sas: tuple[SecurityAssociation, ...]) -> int:
    """Handle of the first SA that matches a clear packet; ``ValueError`` if there is none.

    A tunnel that carries both families takes a packet of the family that is not its own outside
    only if no other SA does.
    """
    handles = [handle for handle, sa in enumerate(sas, start=1) if _is_for(sa, packet)]
    if not handles:
        raise ValueError(f"{packet.source} to {packet.destination}: no SA is for it")
    return min(handles, key=lambda handle: packet.version not in (
        sas[handle - 1].inner_family, sas[handle - 1].outer_family))


def _is_for(sa: SecurityAssociation, packet: IpPacket) -> bool:
    if not sa.carries(packet.version):
        return False
    ends = packet.source, packet.destination
    if sa.mode == "transport" and ends != (sa.source, sa.destination):
        return False
    return sa.selector is None or sa.selector.matches(*ends)


class _EsnDriver:
    """Driver's state of one receive SA with ESN: the high half and overlap flag of the device."""

    def __init__(self, handle: int, sa: SecurityAssociation) -> None:
        self._handle = handle
        self._sa = sa
        self._top = sa.initial_seq - 1
        self._state = EsnState(sa.esn_high, sa.esn_overlap)

    def received(self, sequence_low: int) -> Command | None:
        """Note an authentic packet; give the MODIFY command that it makes necessary, if any."""
        high = esn.device_high(sequence_low, self._state.high, self._state.overlap)
        self._top = max(self._top, high << 32 | sequence_low)
        state = esn.driver_state(self._top, self._sa.replay_window)
        if state == self._state:
            return None
        self._state = state
        changed = replace(self._sa, esn_high=state.high, esn_overlap=state.overlap)
        return Command(
            command_values(
                SaOperation.MODIFY, SaDirection.RX, self._handle, changed, SaSelect.ESN))


def _command(plan: Plan, golden: Golden, command: Command) -> None:
    plan.steps.append(command)
    golden.command(command)
