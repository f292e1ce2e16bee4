"""Judgement on a scene: what the RTL made of it against the golden model, and the oracles.

A scene without commands among its frames has one right outcome, trace and all. With such commands
a frame of an SA that they change meets the SA as it was before one of them or after, wholly, or it
has lost the SA: each of these outcomes is right, if the command was not over before the frame came
and had begun before the frame left. A reset cuts the outcome: what has left is the beginning of it.
"""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from espnic.model.device.device import Device, TxResult
from espnic.model.device.opening import Trace
from espnic.model.interface.codes import (
    EVENT_QUEUE_DEPTH,
    FRAME_BYTES_MAX,
    SIDES,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import RX_COMPLETION, TX_VERDICT
from espnic.model.net import packet
from espnic.model.trace import TraceRecord
from espnic.sim.coverage.functional import Functional
from espnic.sim.rig.runs import Played
from espnic.sim.rig.taps import Before, Observed, in_flight, outcome_of
from espnic.sim.run.compare import compare_outcomes
from espnic.sim.soak.oracles import Oracles, commands_of
from espnic.sim.soak.scenes import Scene
from espnic.sim.traffic.golden import Golden
from espnic.sim.traffic.steps import Command, Outcome, Received, RxFrame, Step, TxFrame

_INSIDE_CLOCKS = 40
"""Clocks for which a request is inside, at the least."""
Fate = tuple[Any, dict[str, int]]
"""A right outcome for a frame, and all that it adds to the counters."""


@dataclass
class Judge:
    """The engine as the scenes so far have left it."""

    features: Features
    device: Device = field(init=False)
    oracles: Oracles = field(default_factory=Oracles)
    received: int = 0
    """Frames from the wire since the last reset."""
    lives: list["Life"] = field(default_factory=list)
    """Deeds of the RTL from each reset on."""

    def __post_init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.device, self.received = Device(self.features), 0
        self.oracles.forget()
        self.lives.append(Life())

    def judge(self, scene: Scene, played: Played) -> str | None:
        """The first thing that is wrong with a scene, in one line; None if nothing is."""
        self.oracles.learn(commands_of(scene))
        if played.problem is not None:
            return played.problem
        if scene.reset_after is not None:
            found = self._judge_cut(scene, played)
        elif scene.meanwhile:
            found = self._judge_disturbed(scene, played)
        else:
            found = self._judge_whole(scene, played)
        found = found or self._judge_alone(scene, played)
        self.received += len(scene.rx)
        if scene.reset_after is not None:
            self._reset()
            return found
        return found or self._judge_end(played)

    def coverage(self) -> Functional:
        """The bins of the functional coverage that the scenes have hit."""
        found = Functional()
        for life in self.lives:
            found.note(life.steps, life.outcome, self.features, life.phases)
        return found

    def _judge_alone(self, scene: Scene, played: Played) -> str | None:
        """Findings of the oracles."""
        return (self.oracles.judge_received(scene.rx, played.received)
                or self.oracles.judge_sent(scene.tx, _verdicts(played), played.sent))

    def _judge_end(self, played: Played) -> str | None:
        """The counters and the events when all is quiet."""
        expected = self.device.counters
        for name in expected:
            if played.counters.get(name) != expected[name]:
                return f"counter {name}: RTL {played.counters.get(name)}, model {expected[name]}"
        events = []
        while len(self.device.events):
            events.append(self.device.events.pop())
        return _compare_events(played.events, events)

    # A scene with one right outcome

    def _judge_whole(self, scene: Scene, played: Played) -> str | None:
        rtl = self._observed(scene, played)
        golden = self._golden(scene, rtl.in_flight)
        rtl.counters = golden.outcome.counters = {}
        self.lives[-1].add(scene.steps(), rtl)
        return compare_outcomes(rtl, golden.outcome)

    def _golden(self, scene: Scene, before: Sequence[int]) -> Golden:
        """The model after the scene; ``before`` are the frames in flight before each."""
        golden = Golden(self.features, self.device)
        golden.take(scene.steps(), before)
        return golden

    def _observed(self, scene: Scene, played: Played) -> Outcome:
        seen = Observed(
            results=played.results, sidebands=played.sidebands, taps=played.taps,
            to_host=[(RX_COMPLETION.pack(got.completion), got.frame.hex())
                     for got in played.received],
            to_wire=[frame.hex() for frame in played.sent])
        table = self.device.sas[SaDirection.RX]
        before = Before({handle: sa.icv for handle, sa in table.in_use().items()}, self.received)
        return outcome_of(scene.steps(), seen, self.features.width, before)

    def _in_flight(self, scene: Scene, played: Played) -> list[int]:
        return in_flight(played.taps.get("rx_window", ()), len(scene.rx), self.received)

    # A scene that a reset cuts

    def _judge_cut(self, scene: Scene, played: Played) -> str | None:
        golden = self._golden(scene, self._in_flight(scene, played))
        if played.results != golden.outcome.results:
            return f"commands: RTL {played.results}, model {golden.outcome.results}"
        model: dict[str, list[Any]] = {
            "rx": golden.outcome.received, "tx": golden.outcome.sent}
        for side, rtl in (("rx", played.received), ("tx", played.sent)):
            for number, (ours, theirs) in enumerate(zip(rtl, model[side], strict=False), 1):
                if ours != theirs:
                    return f"{side} frame {number} before a reset: RTL {ours}, model {theirs}"
            if len(rtl) > len(model[side]):
                return f"{side}: RTL {len(rtl)} frames before a reset, model {len(model[side])}"
            cut = played.cut.get(side, b"")
            rest = model[side][len(rtl):][:1]
            whole = (rest[0].frame if side == "rx" else rest[0]) if rest else b""
            if not whole.startswith(cut):
                return f"{side} frame {len(rtl) + 1}, cut by a reset: not the model's beginning"
        return None

    # A scene with commands among its frames

    def _judge_disturbed(self, scene: Scene, played: Played) -> str | None:
        before = self._golden(Scene(scene.commands, scene.ports), [])
        if before.outcome.results != played.results:
            return f"commands: RTL {played.results}, model {before.outcome.results}"
        versions = [copy.deepcopy(self.device)]
        for (_, values), given in zip(scene.meanwhile, played.meanwhile, strict=True):
            problem = self._give(values, given.result)
            if problem:
                return problem
            versions.append(copy.deepcopy(self.device))
        self.lives[-1].add(
            [*Scene(scene.commands, scene.ports).steps(),
             *(Command(values) for _, values in scene.meanwhile)],
            Outcome(results=[SaResult(result) for result in (
                *played.results, *(given.result for given in played.meanwhile))]),
            ["idle"] * len(scene.commands) + [_phase(scene, played, number)
                                              for number in range(len(scene.meanwhile))])
        fates = _Fates(scene, played, versions, self.device)
        found = fates.judge(self._in_flight(scene, played))
        self.lives[-1].add(fates.steps, fates.outcome)
        return found

    def _give(self, values: dict[str, int], result: int) -> str | None:
        """Do a command that came among frames, for which a FREE may be too early."""
        trial = copy.deepcopy(self.device)
        expected = trial.command(values)
        early = (result == SaResult.EBUSY and expected == SaResult.OK
                 and values["operation"] == SaOperation.FREE)
        if early:
            return None
        if result != expected:
            return (f"command {values['operation']} on {values.get('sa', 0)} among frames: "
                    f"RTL {SaResult(result).name}, model {expected.name}")
        self.device.command(values)
        return None


@dataclass
class Life:
    """Steps since a reset and the deeds of the RTL, for the functional coverage.

    Scenes that a reset cuts are left out, and frames of SAs that commands among the frames change.
    """

    steps: list[Step] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)
    phases: list[str] = field(default_factory=list)
    """A value of ``bins.PHASE`` for each command."""

    def add(self, steps: Sequence[Step], outcome: Outcome, phases: Sequence[str] = ()) -> None:
        """Add the steps of a scene."""
        before = {side: sum(isinstance(step, kind) for step in self.steps)
                  for side, kind in (("rx", RxFrame), ("tx", TxFrame))}
        self.steps += steps
        self.outcome.results += outcome.results
        self.outcome.received += outcome.received
        self.outcome.sent += outcome.sent
        self.outcome.trace += [
            TraceRecord(record.packet + before[record.point[:2]], record.point, record.fields)
            for record in outcome.trace]
        self.phases += phases or ["idle"] * len(outcome.results)


def _phase(scene: Scene, played: Played, number: int) -> str:
    """Frames inside while a command among frames was done, as a value of ``bins.PHASE``."""
    given, values = played.meanwhile[number], scene.meanwhile[number][1]
    if values.get("direction", 0) == SaDirection.RX:
        kept = (clocks for clocks, frame in zip(played.entered["rx"], scene.rx, strict=False)
                if len(frame.data) <= FRAME_BYTES_MAX)
        passages = zip(kept, played.left["rx"], played.received, strict=False)
        handles = [got.completion["sa"] for (first, _), (_, last), got in passages
                   if first <= given.ended and last >= given.began]
    else:
        handles = [step.descriptor.get("sa", 0)
                   for (first, _), step in zip(played.entered["tx"], scene.tx, strict=False)
                   if given.began - _INSIDE_CLOCKS <= first <= given.ended]
    if values.get("sa", 0) in handles and values["operation"] != SaOperation.ADD:
        return "own frames"
    return "other frames" if handles else "idle"


class _Fates:
    """Judgement on the frames of a scene with commands among them.

    ``versions`` are the device before each command and after the last, ``device`` is the last one
    too and keeps what the frames of other SAs change.
    """

    def __init__(
        self, scene: Scene, played: Played, versions: Sequence[Device], device: Device,
    ) -> None:
        self._scene = scene
        self._played = played
        self._versions = versions
        self._device = device
        self._empty = Device(device.features)
        self._empty.esp_ports = device.esp_ports
        touched = [values for _, values in scene.meanwhile
                   if values["operation"] != SaOperation.READ]
        self._all = any(values["operation"] == SaOperation.FLUSH for values in touched)
        self._handles = {(values.get("direction", 0), values.get("sa", 0)) for values in touched}
        self._keys = {
            (sa.destination, sa.encapsulation, sa.spi)
            for version in versions
            for handle, sa in version.sas[SaDirection.RX].in_use().items()
            if self._all or (SaDirection.RX, handle) in self._handles}

        self.steps: list[Step] = []
        """The frames that have one fate."""
        self.outcome = Outcome()
        """Outcome of these by the model."""
        self._numbers: Counter[type[Step]] = Counter()

    def judge(self, before: Sequence[int]) -> str | None:
        """The first frame that has none of its right fates, in one line.

        ``before`` are the frames in flight before each from the wire.
        """
        return self._judge_received(before) or self._judge_sent()

    def _judge_received(self, before: Sequence[int]) -> str | None:
        played, device = self._played, self._device
        received, sidebands = iter(played.received), iter(played.sidebands["rx"])
        left = iter(played.left["rx"])
        for number, (step, inside) in enumerate(zip(self._scene.rx, before, strict=True), 1):
            fits = len(step.data) <= FRAME_BYTES_MAX
            got = next(received, None) if fits else None
            if fits and got is None:
                return f"rx frame {number} among commands: it never left"
            if fits and next(sidebands) != step.sideband:
                return f"rx frame {number} among commands: another sideband"
            out = next(left)[1] if fits else 0
            counters = dict(device.counters)
            result = device.receive(step.data, inside, step.bad)
            fate = None if result.frame is None else Received(result.completion, result.frame)
            fates: list[Fate] = [(fate, _added(device.counters, counters))]
            device.counters.update(counters)
            # Each device takes all frames, for it has to know those in flight before each.
            everywhere = [self._receive(version, step, inside) for version in self._versions]
            if not self._is_touched(step.data):
                self._note(step, result.trace)
            else:
                fates = everywhere[self._possible(played.entered["rx"][number - 1][0], out)]
                if len(fates) > 1:
                    fates.append(self._gone(self._receive(self._empty, step, inside)))
            if (problem := self._settle(fates, got)) is not None:
                return f"rx frame {number} among commands: {problem}"
        return None

    def _is_touched(self, frame: bytes) -> bool:
        """Whether a frame is of an SA that the commands change."""
        _status, parsed = packet.parse(frame, self._device.features.ipv6, self._device.esp_ports)
        return parsed is not None and (
            parsed.destination, parsed.encapsulation, parsed.spi) in self._keys

    def _possible(self, entered: int, left: int) -> slice:
        """The versions that a frame may have met that came and left in these clocks.

        ``left`` 0 is a frame that never left: it may have met any from then on.
        """
        given = self._played.meanwhile
        over = sum(command.ended < entered for command in given)
        begun = sum(command.began <= left for command in given) if left else len(given)
        return slice(over, begun + 1)

    def _receive(self, device: Device, step: RxFrame, inside: int) -> Fate:
        before = dict(device.counters)
        result = device.receive(step.data, inside, step.bad)
        fate = None if result.frame is None else Received(result.completion, result.frame)
        return fate, _added(device.counters, before)

    def _gone(self, fate: Fate) -> Fate:
        """The fate of a frame that lost its SA, from that of one that found none."""
        received, added = fate
        if received is not None and received.completion["status"] == RxStatus.NO_SA:
            received = Received(
                received.completion | {"status": int(RxStatus.SA_GONE)}, received.frame)
        return received, {name.replace("rx_no_sa", "rx_sa_gone"): count
                          for name, count in added.items()}

    def _judge_sent(self) -> str | None:
        played, device = self._played, self._device
        verdicts, sent = iter(_verdicts(played)), iter(played.sent)
        sidebands = iter(played.sidebands["tx"])
        left = iter(played.left["tx"])
        for number, step in enumerate(self._scene.tx, 1):
            statuses = next(verdicts, None)
            if statuses is None:
                return f"request {number} among commands: no verdict"
            count = sum(status <= TxStatus.BYPASSED for status in statuses)
            frames = [frame for _, frame in zip(range(count), sent, strict=False)]
            if [next(sidebands, None) for _ in frames] != [step.sideband] * len(frames):
                return f"request {number} among commands: another sideband"
            out = [next(left)[1] for _ in frames]
            got = (statuses, frames)
            if self._all or (SaDirection.TX, step.descriptor.get("sa", 0)) in self._handles:
                entered = played.entered["tx"][number - 1][0]
                possible = self._possible(entered, out[-1] if out else 0)
                fates = [self._transmit(version, step) for version in self._versions[possible]]
                if len(fates) > 1:
                    fates.append(self._dropped(self._transmit(self._empty, step)))
            else:
                counters = dict(device.counters)
                result = device.transmit(step.descriptor, step.data)
                fates = [_fate(result, _added(device.counters, counters))]
                device.counters.update(counters)
                self._note(step, result.trace)
            if (problem := self._settle(fates, got)) is not None:
                return f"request {number} among commands: {problem}"
        return None

    def _transmit(self, device: Device, step: TxFrame) -> Fate:
        before = dict(device.counters)
        result = device.transmit(step.descriptor, step.data)
        return _fate(result, _added(device.counters, before))

    def _dropped(self, fate: Fate) -> Fate:
        (statuses, frames), added = fate
        gone = [int(TxStatus.DROP_SA_GONE) if status == TxStatus.DROP_NO_SA else status
                for status in statuses]
        return (gone, frames), {name.replace("tx_drop_no_sa", "tx_drop_sa_gone"): count
                                for name, count in added.items()}

    def _note(self, step: RxFrame | TxFrame, trace: Trace) -> None:
        self.steps.append(step)
        self._numbers[type(step)] += 1
        self.outcome.trace += [
            TraceRecord(self._numbers[type(step)], point, fields) for point, fields in trace]

    def _settle(self, fates: Sequence[Fate], got: Any) -> str | None:
        """Count the fate that the RTL has chosen; say what it did if it is none of them."""
        for fate, added in fates:
            if fate == got:
                for name, count in added.items():
                    self._device.counters[name] += count
                return None
        shown = "; ".join(_shown(fate) for fate, _ in fates)
        return f"RTL {_shown(got)}, expected {shown}"


def _fate(result: TxResult, added: dict[str, int]) -> Fate:
    statuses = [int(result.status)] * max(1, len(result.frames))
    return (statuses, list(result.frames)), added


def _shown(fate: Any) -> str:
    if isinstance(fate, Received):
        return (f"{RxStatus(fate.completion['status']).name} of SA {fate.completion['sa']}, "
                f"{len(fate.frame)} bytes {fate.frame[-24:].hex()}")
    if fate is None:
        return "no frame"
    statuses, frames = fate
    return f"{[TxStatus(status).name for status in statuses]}, {len(frames)} frames"


def _added(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: count - before[name] for name, count in after.items() if count != before[name]}


def _verdicts(played: Played) -> list[list[int]]:
    """The statuses of the frames of each request."""
    found: list[list[int]] = []
    statuses: list[int] = []
    for word in played.taps.get("tx_verdict", ()):
        verdict = TX_VERDICT.unpack(word)
        statuses.append(verdict["status"])
        if verdict["last"]:
            found.append(statuses)
            statuses = []
    return [*found, statuses] if statuses else found


def _compare_events(rtl: Sequence[dict[str, int]], model: Sequence[dict[str, int]]) -> str | None:
    """The first thing that is wrong with the events, in one line; None if nothing is.

    Each direction has its own order. Which events found room in a full queue depends on how the
    two mixed: then those of each direction are the first ones of it.
    """
    full = len(model) == EVENT_QUEUE_DEPTH
    if len(rtl) != len(model):
        return f"events: RTL {len(rtl)}, model {len(model)}"
    for direction, side in zip(SaDirection, SIDES, strict=True):
        ours = [event for event in rtl if event["direction"] == direction]
        theirs = [event for event in model if event["direction"] == direction]
        if not full and len(ours) != len(theirs):
            return f"events of {side}: RTL {len(ours)}, model {len(theirs)}"
        for number, (a, b) in enumerate(zip(ours, theirs, strict=False), 1):
            if a != b:
                return f"event {number} of {side}: RTL {a}, model {b}"
    return None
