"""The ``espnic`` command."""

import contextlib
import io
import os
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from espnic.model import trace
from espnic.sim.problem import BAD_INPUT, Finding, InputError, Mismatch, SimulationError
from espnic.sim.run.compare import describe

app = typer.Typer(
    help="Inline IPsec ESP offload engine: RTL, golden model and cosimulation.",
    add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_ArgumentError: type[Exception] = typer.BadParameter.__mro__[2]
"""Base class of every complaint about arguments, whichever click typer brings."""

EXIT_MISMATCH = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130



def _path(text: str) -> Path:
    """The path that an option or argument gives; an empty one would be the current folder."""
    if not text:
        raise typer.BadParameter("empty, expected a path")
    return Path(text)


RxOption = Annotated[Path | None, typer.Option(
    "--rx", help="Capture of what comes from the wire, Ethernet, Linux cooked or raw IP; "
                 "needs --sa.",
    parser=_path, metavar="<path>")]
TxOption = Annotated[Path | None, typer.Option(
    "--tx", help="Capture of clear packets to be sealed, raw IP, Ethernet or Linux cooked; "
                 "needs --sa.",
    parser=_path, metavar="<path>")]
SaOption = Annotated[Path | None, typer.Option(
    "--sa", help="File with the SAs: JSON, the output of ip xfrm state, or Wireshark's esp_sa; "
                 "captures/README.md describes it.",
    parser=_path, metavar="<path>")]
HandoffOption = Annotated[Path | None, typer.Option(
    "--handoff", help="JSON file of what Linux handed an offload device; it has the SAs.",
    parser=_path, metavar="<path>")]
ClusterOption = Annotated[str | None, typer.Option(
    help="Cluster to run on: tcp://HOST:PORT of a Dask scheduler, ssh:HOST,HOST, slurm, lsf, pbs "
         "or local:N. Default: this machine.")]
OutputOption = Annotated[Path, typer.Option(
    "-o", "--output", help="Folder for the results; it is made if it is not there.",
    parser=_path, metavar="<path>")]
WidthOption = Annotated[int, typer.Option(help="Bits of a beat: 128, 256 or 512.")]
WidthsOption = Annotated[list[int] | None, typer.Option(
    "--width",
    help="Bits of a beat: 128, 256 or 512; may be given more than once. Default: all three.")]
SimulatorOption = Annotated[str, typer.Option(help="Simulator: verilator or icarus.")]
StallOption = Annotated[float, typer.Option(
    help="Probability of a stall in each clock of each stream, 0 to 0.9.")]


@app.command("run", short_help="Replay a capture through RTL and model, and compare.")
def run_command(
    output: OutputOption,
    rx: RxOption = None,
    tx: TxOption = None,
    sa: SaOption = None,
    handoff: HandoffOption = None,
    width: WidthOption = 128,
    simulator: SimulatorOption = "verilator",
    seed: Annotated[int, typer.Option(
        help="Seed of stalls and of salts that the SA file leaves out.")] = 1,
    stall: StallOption = 0.0,
    wave: Annotated[bool, typer.Option(
        "--wave", help="Draw wave.fst into the output folder, with lists of signals for GTKWave "
                       "and Surfer. It has a build of its own.")] = False,
) -> None:
    """Replay a capture through the RTL and the golden model, and compare them.

    Compares every trace point, frame, completion and counter, and leaves captures, verdicts and
    traces in the output folder. Needs one of --rx, --tx and --handoff.
    """
    from espnic.sim.rig.engine import Options
    from espnic.sim.run import session

    options = Options(width=width, simulator=simulator, seed=seed, stall=stall,
                      wave=output / "wave.fst" if wave else None)
    session.run(session.Request(rx, tx, sa, output, seed, handoff), options, Console())


@app.command("model", short_help="Replay a capture through the model alone.")
def model_command(
    output: OutputOption,
    rx: RxOption = None,
    tx: TxOption = None,
    sa: SaOption = None,
    handoff: HandoffOption = None,
    seed: Annotated[int, typer.Option(
        help="Seed of salts that the SA file leaves out.")] = 1,
) -> None:
    """Replay a capture through the golden model alone.

    Leaves captures, verdicts and a trace in the output folder. Needs one of --rx, --tx and
    --handoff.
    """
    from espnic.sim.run import session

    session.run_model(session.Request(rx, tx, sa, output, seed, handoff), Console())


@app.command("life", short_help="Play the life of an SA pair on RTL and model, and compare.")
def life_command(
    width: WidthOption = 128,
    seed: Annotated[int, typer.Option(help="Seed of keys, packets and stalls.")] = 1,
    model_only: Annotated[bool, typer.Option(
        "--model", help="Play it on the golden model alone.")] = False,
) -> None:
    """Play the life of an SA pair through the Linux driver, on the RTL and on the golden model.

    Shows every step with its register accesses. Compares these accesses, and all frames,
    completions, events and counters.
    """
    from espnic.sim.life.command import play
    from espnic.sim.rig.engine import Options

    play(Options(width=width, seed=seed), Console(), model_only=model_only)


@app.command("compare", short_help="Show the first difference of two traces.")
def compare_command(
    a: Annotated[Path, typer.Argument(
        parser=_path, metavar="a", help="Trace, NAME.trace.jsonl.")],
    b: Annotated[Path, typer.Argument(
        parser=_path, metavar="b", help="Trace to compare it with.")],
) -> None:
    """Show the first difference of two traces, by packet, trace point and field."""
    records, others = trace.read(a), trace.read(b)
    if not records and not others:
        raise InputError(f"{a} and {b}: both traces are empty, expected records to compare")
    difference = trace.compare(records, others)
    if difference is not None:
        raise Mismatch(describe(difference, str(a), str(b)))
    print(f"equal: {len(records)} records")


@app.command("audit", short_help="Look for IVs and sequence numbers that stand twice.")
def audit_command(
    capture: Annotated[Path, typer.Argument(
        parser=_path, metavar="FILE.pcap", help="Capture with ESP in it; pcap or pcapng.")],
    json_file: Annotated[Path | None, typer.Option(
        "--json", help="Write all that was found to this file, as JSON.",
        parser=_path, metavar="<path>")] = None,
    port: Annotated[list[int] | None, typer.Option(
        help="UDP port of ESP beside 4500; may be given more than once.")] = None,
) -> None:
    """Say for each SA of a capture whether an IV or a sequence number stands under it twice.

    Needs no keys. An SA is a destination, an SPI and whether ESP is in UDP. Copies of a packet do
    not count. Exit code 1 if an IV stands twice. The same low half of a sequence number alone is
    only told: with ESN the high halves, which no packet has, may differ.
    """
    from espnic.sim.audit import command

    command.run(capture, json_file, Console(), port or ())


@app.command("verilog", short_help="Write the Verilog of the engine.")
def verilog_command(
    output: OutputOption,
    preset: Annotated[str | None, typer.Option(
        help="Width, SAs, fold and clock for a line rate: 10g, 25g, 40g or 100g.")] = None,
    width: Annotated[int | None, typer.Option(
        help="Bits of a beat: 128, 256 or 512. Default: that of the preset, or 128.")] = None,
    sas: Annotated[int | None, typer.Option(
        help="Places in each SA table. Default: those of the preset, or 1024.")] = None,
    clock_mhz: Annotated[float | None, typer.Option(
        help="Clock that the rates in the summary are for. "
             "Default: that of the preset, or 312.5, or 250 at 512 bits.")] = None,
    no_lso: Annotated[bool, typer.Option(
        "--no-lso", help="Leave out segmentation of super-frames.")] = False,
    no_ipv6: Annotated[bool, typer.Option(
        "--no-ipv6", help="Leave out IPv6 as the outer header.")] = False,
    only: Annotated[str | None, typer.Option(
        help="Build one direction alone: rx (receive) or tx (transmit).")] = None,
    replay_window: Annotated[int | None, typer.Option(
        help="Largest replay window in packets: 32 to 4096, or 0 for none. "
             "Default: 128, or 0 with --only tx.")] = None,
    sent_window: Annotated[int | None, typer.Option(
        help="Sealed numbers that each transmit SA remembers: 1024 to 16384, a power of two. "
             "Default: 1024.")] = None,
    sideband: Annotated[int, typer.Option(
        help="Bits, up to 256, that come with a frame and leave with it, for tags, ports or "
             "timestamps.")] = 0,
    fold: Annotated[int | None, typer.Option(
        help="Clocks in which the AES-GCM cores take a beat: 1, 2 or 4; more clocks, less area. "
             "Default: that of the preset, or 1.")] = None,
    sbox: Annotated[str, typer.Option(
        help="Where the S-boxes of the AES rounds are: lut or bram (block RAM).")] = "lut",
    name: Annotated[str, typer.Option(
        help="Name of the top module, with which the names of all modules and files "
             "begin.")] = "engine",
) -> None:
    """Write the Verilog of the engine.

    Beside it are a testbench, an example of its use, files for FuseSoC and Vivado, the register
    map and a summary.
    """
    from espnic.sim.export.command import Request, write_engine

    write_engine(output, Request(
        preset=preset, width=width, sas=sas, clock_mhz=clock_mhz, lso=not no_lso,
        ipv6=not no_ipv6, only=only, replay_window=replay_window, sent_window=sent_window,
        sideband=sideband, fold=fold, sbox=sbox, name=name),
        Console())


@app.command("env", short_help="Print the settings for a shell that runs Verilator.")
def env_command() -> None:
    """Print the settings with which a shell finds espnic, its Verilator and FuseSoC.

    Use: eval "$(espnic env)". A Verilator of your own needs none of it.
    """
    from espnic.sim.build.simulators import require_tools, shell_environment

    require_tools("verilator")
    for name, value in shell_environment().items():
        print(f"export {name}={shlex.quote(value)}")


@app.command("synth", short_help="Measure area and longest paths by open synthesis.")
def synth_command(
    blocks: Annotated[list[str] | None, typer.Argument(
        metavar="BLOCK", help="Blocks such as gcm_core or engine. Default: all.")] = None,
    width: WidthsOption = None,
    target: Annotated[list[str] | None, typer.Option(
        help="xcup (Xilinx UltraScale+) or ecp5 (Lattice ECP5); may be given more than once. "
             "Default: xcup.")] = None,
    place: Annotated[bool, typer.Option(
        "--place", help="Place and route too, for the highest clock; ecp5 only.")] = False,
    clock: Annotated[bool, typer.Option(
        "--clock", help="Estimate the clock too, by a placement with published delays; xcup only. "
                        "Needs g++.")] = False,
    wires: Annotated[float | None, typer.Option(
        help="With --clock: factor of the delays of wires over those of an empty device. "
             "Default: 1.5.")] = None,
    cached: Annotated[bool, typer.Option(
        "--cached", help="Run no tool; show what earlier runs have measured.")] = False,
    list_blocks: Annotated[bool, typer.Option(
        "--list", help="List the blocks, and do nothing else.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Number of tools to run at once.")] = 1,
    json_file: Annotated[Path | None, typer.Option(
        "--json", help="Write the figures to this file, as JSON.",
        parser=_path, metavar="<path>")] = None,
    doc: Annotated[Path | None, typer.Option(
        help="Write the figures to this file, in Markdown.",
        parser=_path, metavar="<path>")] = None,
) -> None:
    """Measure area and longest paths of the blocks by open synthesis.

    Needs the tools of pip install 'espnic[synth]'. What has not changed since an earlier run is not
    measured again.
    """
    from espnic.model.interface.features import WIDTHS
    from espnic.sim.synth.blocks import BLOCKS
    from espnic.sim.synth.command import Request, measure
    from espnic.sim.synth.job import WIRES, select
    from espnic.sim.synth.synthesis import require_tools

    if list_blocks:
        print("\n".join(sorted(block.name for block in BLOCKS)))
        return
    if wires is not None and not clock:
        raise InputError("--wires: needs --clock")
    chosen = select(blocks or [], width or WIDTHS, target or ["xcup"], place,
                    (WIRES if wires is None else wires) if clock else None)
    require_tools(chosen)
    measure(chosen, Request(cached, jobs, json_file, doc), Console())


@app.command("prove", short_help="Prove properties of the RTL by a solver.")
def prove_command(
    names: Annotated[list[str] | None, typer.Argument(
        metavar="BLOCK", help="Blocks such as flow/queue, rooms such as flow, or single proofs "
                              "such as flow/queue/order. Default: all.")] = None,
    output: Annotated[Path, typer.Option(
        "-o", "--output", help="Folder for counterexamples, as VCD.",
        parser=_path, metavar="<path>")] = Path("out/prove"),
    quick: Annotated[bool, typer.Option(
        "--quick", help="Only the proofs that the tests run.")] = False,
    list_proofs: Annotated[bool, typer.Option(
        "--list", help="List the proofs and what they say, and do nothing else.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Number of proofs to run at once.")] = 1,
) -> None:
    """Prove properties of the RTL by a solver, by induction or for a number of clocks.

    Needs the tools of pip install 'espnic[prove]'. Exit code 1 if a property is not proved.
    """
    from espnic.sim.prove import command
    from espnic.sim.prove.collection import select
    from espnic.sim.prove.prover import require_tools

    chosen = select(names or [], quick)
    if list_proofs:
        command.list_proofs(chosen, Console())
        return
    require_tools()
    command.run(chosen, jobs, output, Console())


@app.command("bench", short_help="Measure rates and latency of the RTL.")
def bench_command(
    width: WidthsOption = None,
    sas: Annotated[list[int] | None, typer.Option(
        help="SAs in each table; may be given more than once. "
             "Default: 1, 1024 and 16384.")] = None,
    quick: Annotated[bool, typer.Option(
        "--quick", help="Measure fewer packets and mixes and, without --sas, 1 and 1024 SAs.")
    ] = False,
    mixes: Annotated[int | None, typer.Option(
        help="Mixes of traffic to search for the worst, at each width. "
             "Default: 500, or 25 with --quick.")] = None,
    clock_mhz: Annotated[float | None, typer.Option(
        help="Clock that the rates are for. Default: 312.5, or 250 at 512 bits.")] = None,
    seed: Annotated[int, typer.Option(
        help="Seed of keys, packets, random sizes and mixes.")] = 1,
    json_file: Annotated[Path | None, typer.Option(
        "--json", help="Write the figures to this file, as JSON.",
        parser=_path, metavar="<path>")] = None,
    plot: Annotated[Path | None, typer.Option(
        help="Draw the rates into this file, .png or .svg.",
        parser=_path, metavar="<path>")] = None,
    doc: Annotated[Path | None, typer.Option(
        help="Put a summary into its marked place in this Markdown file.",
        parser=_path, metavar="<path>")] = None,
) -> None:
    """Measure rates and latency of the RTL.

    Frames go back to back in both directions at once; super-frames are cut into segments too.
    Then mixes of traffic are searched for the worst.
    """
    from espnic.model.interface.features import WIDTHS
    from espnic.sim.rate.command import (
        MIXES,
        QUICK_MIXES,
        QUICK_SA_COUNTS,
        SA_COUNTS,
        Request,
        measure,
    )

    counts = sas or (QUICK_SA_COUNTS if quick else SA_COUNTS)
    if mixes is None:
        mixes = QUICK_MIXES if quick else MIXES
    measure(Request(
        tuple(width or WIDTHS), tuple(counts), quick, mixes, clock_mhz, seed, json_file, plot,
        doc), Console())


@app.command("regress", short_help="Run the benches with fresh seeds, and report.")
def regress_command(
    output: Annotated[Path, typer.Option(
        "-o", "--output", help="Folder for report.html, report.json, junit.xml, logs and waves.",
        parser=_path, metavar="<path>")] = Path("out/regress"),
    area: Annotated[list[str] | None, typer.Option(
        help="Room of benches, such as rx; may be given more than once. Default: all.")] = None,
    block: Annotated[list[str] | None, typer.Option(
        help="Block, such as skid or flow/skid; may be given more than once.")] = None,
    width: Annotated[list[int] | None, typer.Option(
        "--width", help="Bits of a beat: 128, 256 or 512; may be given more than once. Benches "
                        "without a width run too. Default: all.")] = None,
    simulator: Annotated[list[str] | None, typer.Option(
        help="Simulator: verilator or icarus; may be given more than once. Default: both.")] = None,
    cost: Annotated[list[str] | None, typer.Option(
        help="Benches of this cost: quick, slow or engine; may be given more than once. "
             "Default: quick.")] = None,
    seed: Annotated[int | None, typer.Option(
        min=0, help="Seed of all benches with random numbers. "
                    "Default: the seed that stands in each.")] = None,
    seeds: Annotated[int | None, typer.Option(
        min=1, help="Number of fresh seeds for each bench with random numbers.")] = None,
    jobs: Annotated[int, typer.Option(
        "-j", "--jobs", min=1, help="Number of benches to run at once.")] = 1,
    wave: Annotated[str, typer.Option(
        help="Waves: fail (a bench that failed runs again with waves), all, or none.")] = "fail",
    cluster: Annotated[str | None, typer.Option(
        help="Run on a cluster: tcp://HOST:PORT of a Dask scheduler, ssh:HOST,HOST, slurm, lsf, "
             "pbs (also slurm:queue=short,...), or local:N. Default: this machine.",
        metavar="<where>")] = None,
    against: Annotated[Path | None, typer.Option(
        help="report.json of an earlier call, to compare with.",
        parser=_path, metavar="<path>")] = None,
    coverage: Annotated[bool, typer.Option(
        "--coverage", help="Count which lines of the RTL run and which bits toggle, on Verilator, "
                           "and add it to what earlier calls left in the folder.")] = False,
    list_blocks: Annotated[bool, typer.Option(
        "--list", help="List the blocks that have a bench, and do nothing else.")] = False,
) -> None:
    """Run the benches of a checkout, with fresh seeds if asked for, and write a report.

    Shows each failure with the command that repeats it. Exit code 1 if a bench failed.
    """
    from espnic.sim.regress.command import Request, regress
    from espnic.sim.regress.selection import Choice, block_names

    choice = Choice(tuple(area or ()), tuple(block or ()), tuple(width or ()),
                    tuple(simulator or ()), tuple(cost or ("quick",)))
    request = Request(
        output, choice, seed, seeds, jobs, wave, against, cluster, coverage)
    if list_blocks:
        request.check()
        print("\n".join(block_names()))
        return
    regress(request, Console())


@app.command("coverage", short_help="Merge files of functional coverage, and list the holes.")
def coverage_command(
    files: Annotated[list[Path], typer.Argument(
        parser=_path, metavar="coverage.json...",
        help="Files with counts, as espnic regress leaves one.")],
    output: Annotated[Path | None, typer.Option(
        "-o", "--output", help="Folder for coverage.json, all counts together, and holes.json.",
        parser=_path, metavar="<path>")] = None,
    holes: Annotated[int, typer.Option(
        min=0, help="Number of holes to show of each cross.")] = 3,
) -> None:
    """Say which bins of the functional coverage runs have hit, all together, and which not.

    docs/coverage.md says what the bins are.
    """
    from espnic.sim.coverage import functional_command

    functional_command.run(files, output, holes, Console())


@app.command("soak")
def soak_command(
    output: Annotated[Path, typer.Option(
        "-o", "--output", help="Folder for soak.json, coverage.json and what shows a difference.",
        parser=_path, metavar="<path>")] = Path("out/soak"),
    build: Annotated[list[str] | None, typer.Option(
        help="Build of the engine, as 256 or 128-receive; may be given more than once. "
             "Default: all in turn.")] = None,
    frames: Annotated[int | None, typer.Option(
        min=1, help="End after this many frames. Default: go on.")] = None,
    seconds: Annotated[float | None, typer.Option(
        min=0, help="End after this many seconds. Default: go on.")] = None,
    seed: Annotated[int | None, typer.Option(
        min=0, help="Seed of all that is random. Default: a fresh one, which is printed.")] = None,
    jobs: Annotated[int, typer.Option(
        "-j", "--jobs", min=1, help="Number of simulations to run at once.")] = 1,
    lanes: Annotated[int, typer.Option(
        min=1, help="Simulations of each build in a generation: more for many workers.")] = 1,
    cluster: ClusterOption = None,
    repeat: Annotated[Path | None, typer.Option(
        help="story.json of a difference: run it again, and nothing else.",
        parser=_path, metavar="<path>")] = None,
) -> None:
    """Run random traffic without end on the RTL, judged by the model and by oracles beside it.

    Stops at the first difference, makes it small and keeps it. Exit code 1 if there is one.
    """
    from espnic.sim.soak import command

    if repeat is not None:
        command.repeat(repeat, Console())
        return
    command.soak(command.Request(
        output, tuple(build or ()), frames, seconds, seed, jobs, lanes, cluster), Console())


@app.command("mutate", short_help="Put slips into the RTL, and see that the benches find them.")
def mutate_command(
    output: Annotated[Path, typer.Option(
        "-o", "--output", help="Folder for report.md and report.json.",
        parser=_path, metavar="<path>")] = Path("out/mutate"),
    area: Annotated[list[str] | None, typer.Option(
        help="Room of the RTL, such as rx; may be given more than once. Default: all.")] = None,
    block: Annotated[list[str] | None, typer.Option(
        help="Block, such as skid or flow/skid; may be given more than once.")] = None,
    jobs: Annotated[int, typer.Option(
        "-j", "--jobs", min=1, help="Number of mutations to try at once.")] = 1,
    record: Annotated[Path | None, typer.Option(
        "--record", help="Bring the results in this file up to date, as docs/mutations.json, from "
                         "which make docs makes a page.",
        parser=_path, metavar="<path>")] = None,
    list_mutations: Annotated[bool, typer.Option(
        "--list", help="List the mutations, and do nothing else.")] = False,
) -> None:
    """Try the mutations of cocotb_tests/mutations.toml: each is a slip in a block of the RTL.

    In a copy of the checkout the quick bench of the block looks for it, then the whole bench, then
    the tests that the table names. Exit code 1 if a mutation lives, as nothing has found it.
    """
    from espnic.sim.mutate import command
    from espnic.sim.mutate.table import select

    command.require_checkout()
    chosen = select(area or [], block or [])
    if list_mutations:
        command.list_mutations(chosen, Console())
        return
    command.mutate(chosen, command.Request(output, jobs, record), Console())


def main() -> None:
    """Run the command; every problem becomes one line and an exit code."""
    _end_on(signal.SIGTERM, signal.SIGHUP)
    for stream in (sys.stdout, sys.stderr):
        # What the terminal cannot show, as names in a locale without UTF-8, is shown as an escape.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] or ["--help"]
    try:
        if app(arguments, prog_name="espnic", standalone_mode=False) == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
    except BAD_INPUT as problem:
        _stop(str(problem), EXIT_BAD_INPUT)
    except OSError as problem:
        # Files that are read have their own messages: this one could not be written.
        where = problem.filename or "standard output"
        _stop(f"{where}: {problem.strerror or problem}, expected to write there", EXIT_BAD_INPUT)
    except (Finding, Mismatch, SimulationError) as problem:
        _stop(str(problem), EXIT_MISMATCH)
    except _ArgumentError as problem:
        # The method is click's, and typer does not name its class.
        _stop(problem.format_message(), EXIT_BAD_INPUT)  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        _stop("interrupted", EXIT_INTERRUPTED)


def _end_on(*signals: signal.Signals) -> None:
    """End the command, and the tools that it runs, on these signals as on an interrupt.

    One that was ignored from the start, as SIGHUP is under nohup, stays ignored.
    """
    ending = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal ending
        # Those that follow, as when a terminal is closed, must not disturb the clearing up.
        if not ending:
            ending = True
            raise KeyboardInterrupt

    for number in signals:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def _stop(message: str, code: int) -> None:
    # The terminal may be gone, or the disk behind it full.
    with contextlib.suppress(OSError):
        print(f"espnic: {message}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    main()
