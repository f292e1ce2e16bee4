"""What the software beside the engine does with a file of packets: SA commands and frames.

The steps follow from what the golden model makes of the steps before, so the plan
holds the model's outcome too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from model import esn
from model.codes import RxStatus, SaDirection, SaOperation
from model.esn import EsnState
from model.sa import SecurityAssociation, command_values
from sim.golden import Golden
from sim.steps import Command, Outcome, RxFrame, Step


@dataclass
class Plan:
    """Steps for the engine, and what the model made of them."""

    outcome: Outcome
    steps: list[Step] = field(default_factory=list)


def plan_receive(
    frames: Iterable[bytes], sas: tuple[SecurityAssociation, ...], table_size: int,
) -> Plan:
    """Add the SAs, under handles 1 and up, then give the frames from the wire.

    With ESN the driver moves the high half on as the sequence numbers pass 2^31.
    """
    golden = Golden(table_size)
    plan = Plan(golden.outcome)
    drivers: dict[int, _EsnDriver] = {}
    for handle, sa in enumerate(sas, start=1):
        _command(plan, golden, Command(
            command_values(SaOperation.ADD, SaDirection.RX, handle, sa)))
        if sa.esn:
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


class _EsnDriver:
    """Keeps the device's high half and overlap flag of one receive SA up to date."""

    def __init__(self, handle: int, sa: SecurityAssociation) -> None:
        self._handle = handle
        self._sa = sa
        self._top = sa.initial_seq - 1
        self._state = EsnState(sa.esn_high, sa.esn_overlap)

    def received(self, sequence_low: int) -> Command | None:
        """Note an authentic packet; give the MODIFY command that it calls for."""
        high = esn.device_high(sequence_low, self._state.high, self._state.overlap)
        self._top = max(self._top, high << 32 | sequence_low)
        state = esn.driver_state(self._top, self._sa.replay_window)
        if state == self._state:
            return None
        self._state = state
        changed = replace(self._sa, esn_high=state.high, esn_overlap=state.overlap)
        return Command(
            command_values(SaOperation.MODIFY, SaDirection.RX, self._handle, changed))


def _command(plan: Plan, golden: Golden, command: Command) -> None:
    plan.steps.append(command)
    golden.command(command)
