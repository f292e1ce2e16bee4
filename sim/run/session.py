"""One call of ``espnic run`` or ``espnic model``, from its files to its files."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from espnic.model import trace
from espnic.model.device.device import Device
from espnic.model.host import sa_forms
from espnic.model.host.receiver import Receiver
from espnic.model.host.sa_forms import Table
from espnic.model.host.safile import SaFile, UnsupportedSa
from espnic.model.interface.codes import SaDirection, SaOperation, SaResult
from espnic.model.interface.features import Features
from espnic.model.sa.sa import SecurityAssociation, command_values
from espnic.sim.capture import archive, handoff
from espnic.sim.capture.handoff import HandedOff
from espnic.sim.capture.pcap import read_capture
from espnic.sim.files import own_folder
from espnic.sim.problem import CaptureError, InputError, Mismatch, check_width
from espnic.sim.run import nonces, report
from espnic.sim.run.compare import bytes_difference, compare_outcomes, summary
from espnic.sim.terminal import print_lines, status
from espnic.sim.traffic import golden
from espnic.sim.traffic.plan import (
    Plan,
    plan_handoff,
    plan_receive,
    plan_transmit,
    with_seqiv_salts,
)
from espnic.sim.traffic.steps import SIMULATED_SAS, Outcome, Received

if TYPE_CHECKING:
    from espnic.sim.rig.engine import Options, Replay

Lines = list[tuple[str, str]]
STALL_MAX = 0.9
_SHOWN_PACKETS = 3


@dataclass(frozen=True)
class Request:
    """Arguments of the user: exactly one of ``rx``, ``tx`` and ``handoff`` is given."""

    rx: Path | None
    tx: Path | None
    sa: Path | None
    """SA file; None with ``handoff``, which has its own SAs."""
    output: Path
    seed: int
    """Seed of the salts that the SA file does not give."""
    handoff: Path | None = None


@dataclass(frozen=True)
class Job:
    """A request with its files read and its steps planned on the model."""

    receiving: bool
    path: Path
    output: Path
    sas: tuple[SecurityAssociation, ...]
    unsupported: tuple[UnsupportedSa, ...]
    notes: Lines
    """Lines on what was drawn at random, or left unused."""
    plan: Plan
    handed_off: tuple[HandedOff, ...] = ()
    """Frames that Linux handed down, with the wire frames to compare; empty without ``handoff``."""

    @property
    def frames(self) -> list[int]:
        """Lengths in bytes of the frames that go into the engine."""
        return [
            len(record.fields["frame"]) // 2
            for record in self.plan.outcome.trace if record.point in ("rx.in", "tx.in")
        ]


def run(request: Request, options: "Options", console: Console) -> None:
    """Replay through RTL and model, write all results, and print a summary.

    Raises ``Mismatch`` when anything differs, and one of ``sim.problem.BAD_INPUT`` for input that
    cannot be used.
    """
    _check_options(options)
    job = _prepare(request)
    with own_folder(job.output):
        _replay(job, options, console)


def _replay(job: Job, options: "Options", console: Console) -> None:
    # Imported here: the model alone needs no simulator, nor what drives one.
    from espnic.sim.build.signal_lists import focus_on, write_lists
    from espnic.sim.rig import engine

    with status(console, f"Building the engine for {options.simulator}, {options.width} bits"):
        start = time.monotonic()
        rig = engine.build_engine(options)
        build_seconds = time.monotonic() - start
    start = time.monotonic()
    with _progress(console, len(job.frames)) as show:
        replay = engine.replay(rig, job.plan.steps, options, show)
    seconds = time.monotonic() - start
    job = _with_frames_in_flight(job, replay.outcome.in_flight)
    if options.wave:
        found = trace.compare(replay.outcome.trace, job.plan.outcome.trace)
        write_lists(rig.built.netlist, options.wave, focus_on(found.point) if found else [])
    _write_results(job, {"rtl": replay.outcome, "model": job.plan.outcome})
    console.print(report.status_table(replay.outcome.trace))
    lines = _sa_lines(job)
    lines += _speed_lines(job, replay, seconds)
    lines.append(("build", f"{build_seconds:.1f} s, {options.simulator}, {options.width} bits"))
    print_lines(console, lines)
    _judge(job, replay)
    print_lines(console, [
        *_software_lines(job, replay.outcome),
        *_nonce_lines(job, replay.outcome),
        ("RTL = model", _compared(job.plan.outcome)),
        ("results", str(job.output)),
    ])


def run_model(request: Request, console: Console) -> None:
    """Replay through the golden model alone, write its results, and print a summary."""
    job = _prepare(request)
    with own_folder(job.output):
        _show_model(job, console)


def _show_model(job: Job, console: Console) -> None:
    outcome = job.plan.outcome
    _write_results(job, {"model": outcome})
    console.print(report.status_table(outcome.trace))
    print_lines(console, [
        *_sa_lines(job), *_software_lines(job, outcome), *_nonce_lines(job, outcome),
        ("results", str(job.output)),
    ])


def _check_options(options: "Options") -> None:
    from espnic.sim.build.simulators import require_tools

    check_width(options.width)
    if not 0 <= options.stall <= STALL_MAX:
        raise InputError(f"--stall {options.stall}: expected 0 to {STALL_MAX}")
    require_tools(options.simulator, waves=options.wave is not None)


def _prepare(request: Request) -> Job:
    """Read the files, and plan the steps."""
    path = request.rx or request.tx or request.handoff
    if path is None or [request.rx, request.tx, request.handoff].count(None) != 2:
        raise InputError("expected one of --rx, --tx and --handoff")
    if (request.sa is None) != (request.handoff is not None):
        raise InputError("expected --sa with --rx and --tx, and no --sa with --handoff")
    if request.sa is None:
        return _prepare_handoff(path, request.output)
    file = sa_forms.load(request.sa)
    if request.rx:
        return _prepare_receive(request, path, file)
    if isinstance(file, Table):
        raise InputError(f"{request.sa}: Wireshark's table says neither mode nor encapsulation, "
                         "expected JSON or the output of ip xfrm state with --tx")
    return _prepare_transmit(request, path, file)


def _prepare_receive(request: Request, path: Path, file: SaFile | Table) -> Job:
    frames = read_capture(path).frames()
    notes: Lines = []
    if isinstance(file, Table):
        file, unused = file.sas_of(frames)
        if unused:
            notes.append(("rows unused", f"{unused:,}, which are for no ESP packet of {path}"))
    _check_count(request, file)
    plan = plan_receive(frames, file.sas, SIMULATED_SAS)
    return Job(True, path, request.output, file.sas, file.unsupported, notes, plan)


def _check_count(request: Request, file: SaFile) -> None:
    if len(file.sas) >= SIMULATED_SAS:
        raise InputError(f"{request.sa}: {len(file.sas)} SAs, "
                         f"expected {SIMULATED_SAS - 1} at most")


def _prepare_transmit(request: Request, path: Path, file: SaFile) -> Job:
    _check_count(request, file)
    capture = read_capture(path)
    sas = with_seqiv_salts(file.sas, request.seed)
    salts = [
        ("seqiv salt", f"{sa.name} {sa.seqiv_salt.hex()}, drawn with seed {request.seed}")
        for sa, given in zip(sas, file.sas, strict=True)
        if sa.seqiv_salt and not given.seqiv_salt
    ]
    if not sas:
        refused = file.unsupported[0]
        raise InputError(f"{request.sa}: no SA to send with; {refused.name}: {refused.reason}")
    plan = plan_transmit(capture, sas, SIMULATED_SAS)
    if len(plan.kept_back) == len(capture.packets):
        raise InputError(f"{path}: {plan.kept_back[0]}, expected packets for {request.sa}")
    return Job(False, path, request.output, sas, file.unsupported, salts, plan)


def _prepare_handoff(path: Path, output: Path) -> Job:
    capture = handoff.load(path)
    if not capture.handed_off:
        raise CaptureError(f"{path}: no rows handoff, expected a capture of what Linux hands down")
    plan = plan_handoff(
        capture.sas, [request for row in capture.handed_off for request in row.requests],
        SIMULATED_SAS)
    return Job(False, path, output, capture.sas, (), [], plan, capture.handed_off)


@contextmanager
def _progress(console: Console, frames: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal; gives what shows the number of frames that are done."""
    columns = (TextColumn("Simulating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=frames)
        yield lambda done: progress.update(task, completed=done)


def _with_frames_in_flight(job: Job, in_flight: list[int]) -> Job:
    """The job, with the outcome of the model when as many frames wait for their verdicts.

    Frames in flight only matter to the high halves that the engine takes from replay windows.
    """
    if not any(sa.esn and sa.device_window for sa in job.sas):
        return job
    outcome = golden.run_model(job.plan.steps, Features(sas=SIMULATED_SAS), in_flight)
    return replace(job, plan=replace(job.plan, outcome=outcome))


def _write_results(job: Job, outcomes: dict[str, Outcome]) -> None:
    """Write the traces of all outcomes, and frames and verdicts of the first."""
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
    """Raise ``Mismatch`` when the RTL broke off or differs from the model."""
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
        ("SA refused", f"{sa.name}: {_refusal(sa, result)}; it is left to software")
        for sa, result in pairs if result
    ]
    lines += [("SA refused", f"{sa.name}: {sa.reason}; it is left to software")
              for sa in job.unsupported]
    modified = len(job.plan.outcome.results) - len(job.sas)
    if modified:
        lines.append(("ESN", f"{modified} changes of the high half"))
    lines += job.notes
    lines += _first_lines("kept back", job.plan.kept_back)
    return lines


def _refusal(sa: SecurityAssociation, result: SaResult) -> str:
    """Why the device has refused to add an SA."""
    most = Features(sas=SIMULATED_SAS).replay_window
    if result == SaResult.EOPNOTSUPP and sa.device_window and sa.replay_window > most:
        return (f"device_window with a replay_window of {sa.replay_window:,} packets, "
                f"this build keeps {most:,} at most")
    return result.name


def _first_lines(name: str, texts: Sequence[str]) -> Lines:
    """A line for each of the first few texts, and the number of the others."""
    lines = [(name, text) for text in texts[:_SHOWN_PACKETS]]
    more = len(texts) - _SHOWN_PACKETS
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
    """Compare what the software at the other end makes of the frames with what it should be."""
    if job.receiving:
        return _delivered_lines(job, outcome)
    if job.handed_off:
        compared = handoff.compare_wire(job.handed_off, outcome.sent_by_request())
        return [("as the kernel", compared),
                *_first_lines("left", handoff.done_by_stack(job.handed_off)),
                *_first_lines("kernel bug", handoff.kernel_bugs(job.handed_off))]
    return _opened_lines(job, outcome)


def _nonce_lines(job: Job, outcome: Outcome) -> Lines:
    """Say which nonces stand twice in the frames from the wire, or in those to the wire."""
    if job.receiving:
        frames = [bytes.fromhex(record.fields["frame"])
                  for record in outcome.trace if record.point == "rx.in"]
    else:
        frames = outcome.sent
    ports = [sa.port for sa in job.unsupported if sa.port]
    return nonces.lines(frames, job.sas, ports)


def _delivered_lines(job: Job, outcome: Outcome) -> Lines:
    """Compare what goes up the stack with the plain capture, if there is one."""
    expected = archive.plain_packets(job.path)
    if expected is None:
        return []
    if job.unsupported or any(sa.device_window for sa in _refused(job.sas, job.plan.outcome)):
        return [("delivered", "not compared with the plain capture: an SA was refused")]
    delivered = _delivered(job.sas, outcome.received)
    _expect_packets("delivered", delivered, expected)
    return [("delivered", f"{len(delivered)} packets, as in the plain capture")]


def _opened_lines(job: Job, outcome: Outcome) -> Lines:
    """Let a peer with the same SAs receive the wire frames, and compare what it opens.

    Software of the peer does the work of an SA that its device refuses.
    """
    peer = Device(Features(sas=SIMULATED_SAS))
    known = []
    for handle, sa in enumerate(job.sas, start=1):
        result = peer.command(command_values(SaOperation.ADD, SaDirection.RX, handle, sa))
        known.append(sa if result == SaResult.OK else replace(sa, device_window=False))
    received = [peer.receive(frame) for frame in outcome.sent]
    opened = _delivered(known, [
        Received(result.completion, result.frame) for result in received if result.frame
    ])
    _expect_packets("opened again", opened, job.plan.sealed)
    return [("opened again", f"{len(opened)} packets, as they were in clear"),
            *_first_lines("peer refuses", job.plan.peer_refuses)]


def _refused(
    sas: Sequence[SecurityAssociation], outcome: Outcome,
) -> list[SecurityAssociation]:
    """The SAs that the device has refused to add."""
    return [sa for sa, result in zip(sas, outcome.results, strict=False) if result]


def _delivered(
    sas: Sequence[SecurityAssociation], received: list[Received],
) -> list[bytes]:
    """The packets that the host's stack hands up."""
    receiver = Receiver(sas)
    packets = [receiver.deliver(item.frame, item.completion) for item in received]
    return [packet for packet in packets if packet is not None]


def _expect_packets(
    what: str, packets: list[bytes], expected: list[bytes] | tuple[bytes, ...],
) -> None:
    for number, (packet, right) in enumerate(zip_longest(packets, expected), start=1):
        if packet == right:
            continue
        where = f"{what}: packet {number}"
        if packet is None:
            raise Mismatch(f"{where} is missing, expected {summary(right)}")
        if right is None:
            raise Mismatch(f"{where} is {summary(packet)}, expected none")
        raise Mismatch(where + bytes_difference(packet, right, "is", "expected"))
