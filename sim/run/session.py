"""One call of ``espnic run`` or ``espnic model``, from its files to its files."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from espnic.model.device.device import Device
from espnic.model.host import safile
from espnic.model.host.safile import UnsupportedSa
from espnic.model.host.stack import Receiver
from espnic.model.interface.codes import SaDirection, SaOperation, SaResult
from espnic.model.interface.features import WIDTHS, Features
from espnic.model.sa.sa import SecurityAssociation, command_values
from espnic.sim.capture import archive, handoff
from espnic.sim.capture.handoff import HandedOff
from espnic.sim.capture.pcap import read_capture
from espnic.sim.files import make_folder
from espnic.sim.problem import CaptureError, InputError, Mismatch
from espnic.sim.run import report
from espnic.sim.run.compare import compare_outcomes
from espnic.sim.traffic import golden
from espnic.sim.traffic import plan as traffic
from espnic.sim.traffic.plan import Plan
from espnic.sim.traffic.steps import SIMULATED_SAS, Outcome, Received

if TYPE_CHECKING:
    from espnic.sim.rig.engine import Options, Replay

Lines = list[tuple[str, str]]
STALL_MAX = 0.9
_SHOWN_PACKETS = 3


@dataclass(frozen=True)
class Request:
    """What the user asks for: exactly one of ``rx``, ``tx`` and ``handoff`` is given."""

    rx: Path | None
    tx: Path | None
    sa: Path | None
    """None with ``handoff``, which has its own."""
    output: Path
    seed: int
    """Of the salts that the SA file does not give."""
    handoff: Path | None = None


@dataclass(frozen=True)
class Job:
    """A request with its files read and its steps planned on the model."""

    receiving: bool
    path: Path
    output: Path
    sas: tuple[SecurityAssociation, ...]
    unsupported: tuple[UnsupportedSa, ...]
    drawn_salts: Lines
    plan: Plan
    handed_off: tuple[HandedOff, ...] = ()
    """With the wire frames to compare with; none unless that was asked for."""

    @property
    def frames(self) -> list[int]:
        """Lengths in bytes of the frames that go into the engine."""
        return [
            len(record.fields["frame"]) // 2
            for record in self.plan.outcome.trace if record.point in ("rx.in", "tx.in")
        ]


def run(request: Request, options: "Options", console: Console) -> None:
    """Replay through RTL and model, write all results, print a summary.

    Raises ``Mismatch`` when anything differs, and what ``sim.problem`` lists for
    input that cannot be used.
    """
    # Imported here: the model alone needs no simulator, nor what drives one.
    from espnic.sim.rig import engine as rtl

    _check_options(options)
    job = _prepare(request)
    with console.status(f"Building the engine for {options.simulator}, {options.width} bits"):
        start = time.monotonic()
        rig = rtl.build_engine(options)
        build_seconds = time.monotonic() - start
    start = time.monotonic()
    with _progress(console, len(job.frames)) as show:
        replay = rtl.replay(rig, job.plan.steps, options, show)
    seconds = time.monotonic() - start
    job = _with_frames_in_flight(job, replay.outcome.in_flight)
    _write_results(job, {"rtl": replay.outcome, "model": job.plan.outcome})
    console.print(report.status_table(replay.outcome.trace))
    lines = _sa_lines(job)
    lines += _speed_lines(job, replay, seconds)
    lines.append(("build", f"{build_seconds:.1f} s, {options.simulator}, {options.width} bits"))
    report.print_lines(console, lines)
    _judge(job, replay)
    report.print_lines(console, [
        *_software_lines(job, replay.outcome),
        ("RTL = model", _compared(job.plan.outcome)),
        ("results", str(job.output)),
    ])


def run_model(request: Request, console: Console) -> None:
    """Replay through the golden model alone."""
    job = _prepare(request)
    outcome = job.plan.outcome
    _write_results(job, {"model": outcome})
    console.print(report.status_table(outcome.trace))
    report.print_lines(console, [
        *_sa_lines(job), *_software_lines(job, outcome), ("results", str(job.output)),
    ])


def _check_options(options: "Options") -> None:
    from espnic.sim.build.simulators import require_tools

    if options.width not in WIDTHS:
        widths = ", ".join(map(str, WIDTHS))
        raise InputError(f"--width {options.width}: expected one of {widths}")
    if not 0 <= options.stall <= STALL_MAX:
        raise InputError(f"--stall {options.stall}: expected 0 to {STALL_MAX}")
    require_tools(options.simulator)


def _prepare(request: Request) -> Job:
    path = request.rx or request.tx or request.handoff
    if path is None or [request.rx, request.tx, request.handoff].count(None) != 2:
        raise InputError("expected one of --rx, --tx and --handoff")
    if (request.sa is None) != (request.handoff is not None):
        raise InputError("expected --sa with --rx and --tx, and no --sa with --handoff")
    if request.sa is None:
        return _prepare_handoff(path, request.output)
    file = safile.load(request.sa)
    if len(file.sas) >= SIMULATED_SAS:
        raise InputError(
            f"{request.sa}: {len(file.sas)} SAs, expected {SIMULATED_SAS - 1} at most")
    capture = read_capture(path)
    sas, salts = file.sas, []
    if request.rx:
        if not capture.ethernet:
            raise CaptureError(f"{path}: link type raw IP, expected Ethernet for --rx")
        plan = traffic.plan_receive(capture.packets, sas, SIMULATED_SAS)
    else:
        sas = traffic.with_seqiv_salts(sas, request.seed)
        salts = [
            ("seqiv salt", f"{sa.name} {sa.seqiv_salt.hex()}, drawn with seed {request.seed}")
            for sa, given in zip(sas, file.sas, strict=True)
            if sa.seqiv_salt and not given.seqiv_salt
        ]
        if not sas:
            refused = file.unsupported[0]
            raise InputError(f"{request.sa}: no SA to send with; {refused.name}: {refused.reason}")
        plan = traffic.plan_transmit(capture, sas, SIMULATED_SAS)
        if len(plan.kept_back) == len(capture.packets):
            raise InputError(f"{path}: {plan.kept_back[0]}, expected packets for {request.sa}")
    make_folder(request.output)
    return Job(bool(request.rx), path, request.output, sas, file.unsupported, salts, plan)


def _prepare_handoff(path: Path, output: Path) -> Job:
    capture = handoff.load(path)
    if not capture.handed_off:
        raise CaptureError(f"{path}: no rows handoff, expected a capture of what Linux hands down")
    plan = traffic.plan_handoff(
        capture.sas, [row.request for row in capture.handed_off], SIMULATED_SAS)
    make_folder(output)
    return Job(False, path, output, capture.sas, (), [], plan, capture.handed_off)


@contextmanager
def _progress(console: Console, frames: int) -> Iterator[Any]:
    columns = (TextColumn("Simulating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=frames)
        yield lambda done: progress.update(task, completed=done)


def _with_frames_in_flight(job: Job, in_flight: list[int]) -> Job:
    """The job with what the model makes of it when as many frames wait for their verdicts.

    That only counts for the high halves that the engine takes from its replay windows.
    """
    if not any(sa.esn and sa.device_window for sa in job.sas):
        return job
    outcome = golden.run_model(job.plan.steps, Features(sas=SIMULATED_SAS), in_flight)
    return replace(job, plan=replace(job.plan, outcome=outcome))


def _write_results(job: Job, outcomes: dict[str, Outcome]) -> None:
    """Write traces of all, the frames and verdicts of the first."""
    first = next(iter(outcomes.values()))
    if job.receiving:
        frames = [received.frame for received in first.received]
        report.write_frames(job.output / "out.pcap", frames)
        report.write_verdicts(job.output / "completions.jsonl", first.trace)
    else:
        report.write_frames(job.output / "wire.pcap", first.sent)
        report.write_verdicts(job.output / "verdicts.jsonl", first.trace)
    for name, outcome in outcomes.items():
        report.write_trace(job.output, name, outcome.trace)


def _judge(job: Job, replay: "Replay") -> None:
    difference = compare_outcomes(replay.outcome, job.plan.outcome)
    files = f"see rtl.trace.jsonl and model.trace.jsonl (.pcapng for Wireshark) in {job.output}"
    if replay.problem is not None:
        raise Mismatch(f"{replay.problem}; {difference}; {files}, and {replay.log}")
    if difference is not None:
        raise Mismatch(f"{difference}; {files}")


def _sa_lines(job: Job) -> Lines:
    results = job.plan.outcome.results[:len(job.sas)]
    pairs = list(zip(job.sas, results, strict=True))
    added = ", ".join(sa.name for sa, result in pairs if result == SaResult.OK)
    lines: Lines = [("SAs added", added or "none")]
    lines += [
        ("SA refused", f"{sa.name}: {result.name}") for sa, result in pairs if result
    ]
    lines += [("SA refused", f"{sa.name}: {sa.reason}") for sa in job.unsupported]
    modified = len(job.plan.outcome.results) - len(job.sas)
    if modified:
        lines.append(("ESN", f"{modified} changes of the high half"))
    lines += job.drawn_salts
    lines += [("kept back", packet) for packet in job.plan.kept_back[:_SHOWN_PACKETS]]
    more = len(job.plan.kept_back) - _SHOWN_PACKETS
    if more > 0:
        lines.append(("", f"and {more} more"))
    return lines


def _speed_lines(job: Job, replay: "Replay", seconds: float) -> Lines:
    if not replay.clocks:
        return []
    packets = len(job.frames)
    return [
        ("clocks", report.rates(replay.clocks, packets, sum(job.frames))),
        ("simulation", f"{seconds:.1f} s; {replay.seconds:.1f} s of it the packets: "
                       f"{replay.clocks / replay.seconds:,.0f} clocks/s, "
                       f"{packets / replay.seconds:,.0f} packets/s"),
    ]


def _compared(outcome: Outcome) -> str:
    commands = len(outcome.results)
    return (
        f"{len(outcome.trace):,} trace records, {len(outcome.received) + len(outcome.sent):,} "
        f"frames out, {commands} command{'s' * (commands != 1)}, {len(outcome.counters)} counters"
    )


def _software_lines(job: Job, outcome: Outcome) -> Lines:
    """What the software at the other end makes of the frames, against what it should be."""
    if job.receiving:
        return _delivered_lines(job, outcome)
    if job.handed_off:
        return [("as the kernel", handoff.compare_wire(job.handed_off, outcome.sent))]
    return _opened_lines(job, outcome)


def _delivered_lines(job: Job, outcome: Outcome) -> Lines:
    expected = archive.plain_packets(job.path)
    if expected is None:
        return []
    if job.unsupported:
        return [("delivered", "not compared with the plain capture: an SA was refused")]
    delivered = _delivered(job.sas, outcome.received)
    _expect_packets("delivered", delivered, expected)
    return [("delivered", f"{len(delivered)} packets, as in the plain capture")]


def _opened_lines(job: Job, outcome: Outcome) -> Lines:
    """A peer receives the wire frames with the same SAs."""
    peer = Device(Features(sas=SIMULATED_SAS))
    for handle, sa in enumerate(job.sas, start=1):
        peer.command(command_values(SaOperation.ADD, SaDirection.RX, handle, sa))
    received = [peer.receive(frame) for frame in outcome.sent]
    opened = _delivered(job.sas, [
        Received(result.completion, result.frame) for result in received if result.frame
    ])
    _expect_packets("opened again", opened, job.plan.sealed)
    return [("opened again", f"{len(opened)} packets, as they were in clear")]


def _delivered(
    sas: tuple[SecurityAssociation, ...], received: list[Received],
) -> list[bytes]:
    receiver = Receiver(sas)
    packets = [receiver.deliver(item.frame, item.completion) for item in received]
    return [packet for packet in packets if packet is not None]


def _expect_packets(
    what: str, packets: list[bytes], expected: list[bytes] | tuple[bytes, ...],
) -> None:
    for number, (packet, right) in enumerate(zip_longest(packets, expected), start=1):
        if packet != right:
            shown = "missing" if packet is None else packet.hex()
            wanted = "none" if right is None else right.hex()
            raise Mismatch(f"{what}: packet {number} is {shown}, expected {wanted}")
