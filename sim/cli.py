"""The ``espnic`` command."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from espnic.model import trace
from espnic.sim.problem import BAD_INPUT, Mismatch, SimulationError
from espnic.sim.run import compare as check

app = typer.Typer(
    help="Inline IPsec ESP offload engine: RTL, golden model and cosimulation.",
    add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

# The base of every complaint about arguments, whichever click it comes from.
_ArgumentError: type[Exception] = typer.BadParameter.__mro__[2]

EXIT_MISMATCH = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

RxOption = Annotated[Path | None, typer.Option(
    "--rx", help="Capture of Ethernet frames with ESP, as they come from the wire.")]
TxOption = Annotated[Path | None, typer.Option(
    "--tx", help="Capture of clear packets, raw IP or Ethernet, as they come from the stack.")]
SaOption = Annotated[Path | None, typer.Option(
    "--sa", help="SA file, JSON; captures/README.md has its fields.")]
HandoffOption = Annotated[Path | None, typer.Option(
    "--handoff", help="JSON of frames that Linux handed an offload device; has its own SAs.")]
OutputOption = Annotated[Path, typer.Option("-o", "--output", help="Folder for all results.")]
WidthOption = Annotated[int, typer.Option(help="Bits of a beat: 128, 256 or 512.")]
SeedOption = Annotated[int, typer.Option(help="Seed of stalls and of random salts.")]


@app.command("run", short_help="Replay a capture through RTL and model, and compare.")
def run_command(
    output: OutputOption,
    rx: RxOption = None,
    tx: TxOption = None,
    sa: SaOption = None,
    handoff: HandoffOption = None,
    width: WidthOption = 128,
    simulator: Annotated[str, typer.Option(help="verilator or icarus.")] = "verilator",
    seed: SeedOption = 1,
    stall: Annotated[float, typer.Option(
        help="Probability of a stall in each clock of each stream, 0 to 0.9.")] = 0.0,
) -> None:
    """Replay a capture through the RTL and through the golden model, and compare."""
    from espnic.sim.rig.engine import Options
    from espnic.sim.run import session

    options = Options(width=width, simulator=simulator, seed=seed, stall=stall)
    session.run(session.Request(rx, tx, sa, output, seed, handoff), options, Console())


@app.command("model", short_help="The same on the model alone.")
def model_command(
    output: OutputOption, rx: RxOption = None, tx: TxOption = None, sa: SaOption = None,
    handoff: HandoffOption = None, seed: SeedOption = 1,
) -> None:
    """Replay a capture through the golden model alone."""
    from espnic.sim.run import session

    session.run_model(session.Request(rx, tx, sa, output, seed, handoff), Console())


@app.command("compare")
def compare_command(
    a: Annotated[Path, typer.Argument(help="Trace, NAME.trace.jsonl.")],
    b: Annotated[Path, typer.Argument(help="Trace to compare it with.")],
) -> None:
    """Show the first difference of two traces."""
    records = trace.read(a)
    difference = trace.compare(records, trace.read(b))
    if difference is not None:
        raise Mismatch(check.describe(difference, str(a), str(b)))
    print(f"equal: {len(records)} records")


@app.command("life", short_help="Play the life of an SA pair on the RTL, and compare.")
def life_command(
    width: WidthOption = 128,
    seed: Annotated[int, typer.Option(help="Seed of keys, packets and stalls.")] = 1,
    model_only: Annotated[bool, typer.Option(
        "--model", help="On the golden model alone.")] = False,
) -> None:
    """Play the life of an SA pair through the driver on the RTL, and on the golden model.

    Shows every step with its register accesses; compares them, all frames, completions,
    events and counters.
    """
    from espnic.sim.life import command as life
    from espnic.sim.rig.engine import Options

    life.play(Options(width=width, seed=seed), Console(), model_only=model_only)


@app.command("verilog", short_help="Write the Verilog of the engine.")
def verilog_command(
    output: OutputOption,
    preset: Annotated[str | None, typer.Option(
        help="Width, SAs and clock for a line rate: 10g, 40g or 100g.")] = None,
    width: Annotated[int | None, typer.Option(
        help="Bits of a beat: 128, 256 or 512. Without, that of the preset or 128.")] = None,
    sas: Annotated[int | None, typer.Option(
        help="Places in each SA table. Without, those of the preset or 1024.")] = None,
    clock_mhz: Annotated[float | None, typer.Option(
        help="Clock that the rates in the summary are for.")] = None,
    no_lso: Annotated[bool, typer.Option("--no-lso", help="Leave out segmentation.")] = False,
    no_ipv6: Annotated[bool, typer.Option("--no-ipv6", help="Leave out IPv6 outside.")] = False,
    only: Annotated[str | None, typer.Option(
        help="One direction alone: rx (receive) or tx (transmit).")] = None,
    replay_window: Annotated[int | None, typer.Option(
        help="Largest replay window in packets, 32 to 1024, or 0 for none. Without, 128.")] = None,
) -> None:
    """Write the Verilog of the engine, with file list, lint waivers, summary and example."""
    from espnic.sim.export import command as export

    export.write_engine(output, export.Request(
        preset=preset, width=width, sas=sas, clock_mhz=clock_mhz, lso=not no_lso,
        ipv6=not no_ipv6, only=only, replay_window=replay_window), Console())


@app.command("synth")
def synth_command(
    blocks: Annotated[list[str] | None, typer.Argument(
        metavar="[BLOCK]...", help="Names such as gcm_core or engine; without, all.")] = None,
    width: Annotated[list[int] | None, typer.Option(
        help="Bits of a beat: 128, 256 or 512; may be given again. Without, all three.")] = None,
    target: Annotated[list[str] | None, typer.Option(
        help="xcup (Xilinx UltraScale+) or ecp5; may be given again. Without, xcup.")] = None,
    place: Annotated[bool, typer.Option(
        "--place", help="Place and route too, for the highest clock; ecp5 only.")] = False,
    cached: Annotated[bool, typer.Option(
        "--cached", help="Run no tool: show what earlier runs have measured.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Tools to run at once.")] = 1,
    json_file: Annotated[Path | None, typer.Option(
        "--json", help="Write the figures to this file.")] = None,
    doc: Annotated[Path | None, typer.Option(
        help="Write the figures to this file, in Markdown.")] = None,
) -> None:
    """Area and longest paths of the blocks, by open synthesis."""
    from espnic.model.interface.features import WIDTHS
    from espnic.sim.synth.command import Request, measure
    from espnic.sim.synth.job import select
    from espnic.sim.synth.synthesis import require_tools

    chosen = select(blocks or [], width or WIDTHS, target or ["xcup"], place)
    require_tools(chosen)
    measure(chosen, Request(cached, jobs, json_file, doc), Console())


@app.command("bench")
def bench_command(
    width: Annotated[list[int] | None, typer.Option(
        help="Bits of a beat: 128, 256 or 512; may be given again. Without, all three.")] = None,
    sas: Annotated[list[int] | None, typer.Option(
        help="SAs in the table; may be given again. Without, 1, 1024 and 16384.")] = None,
    quick: Annotated[bool, typer.Option(
        "--quick", help="Fewer packets; without --sas, 1 and 1024 SAs.")] = False,
    clock_mhz: Annotated[float | None, typer.Option(
        help="Clock that the rates are for. Without, 312.5, and 250 at 512 bits.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of keys, packets and random sizes.")] = 1,
    json_file: Annotated[Path | None, typer.Option(
        "--json", help="Write the figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(
        help="Draw the rates into this file, .png or .svg.")] = None,
    doc: Annotated[Path | None, typer.Option(
        help="Put a summary into its place in this Markdown file.")] = None,
) -> None:
    """Rates and latency of the RTL, frames back to back in both directions."""
    from espnic.model.interface.features import WIDTHS
    from espnic.sim.rate.command import QUICK_SA_COUNTS, SA_COUNTS, Request, measure

    counts = sas or (QUICK_SA_COUNTS if quick else SA_COUNTS)
    measure(Request(
        tuple(width or WIDTHS), tuple(counts), quick, clock_mhz, seed, json_file, plot, doc),
        Console())


def main() -> None:
    """Run the command; every problem becomes one line and an exit code."""
    # However a command is ended, the tools that it runs end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = sys.argv[1:] or ["--help"]
    try:
        if app(arguments, prog_name="espnic", standalone_mode=False) == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
    except BAD_INPUT as problem:
        _stop(str(problem), EXIT_BAD_INPUT)
    except OSError as problem:
        # Files that are read have their own messages: this one could not be written.
        _stop(f"{problem.filename or 'output'}: {problem.strerror or problem}, "
              "expected to write there", EXIT_BAD_INPUT)
    except (Mismatch, SimulationError) as problem:
        _stop(str(problem), EXIT_MISMATCH)
    except _ArgumentError as problem:
        _stop(problem.format_message(), EXIT_BAD_INPUT)  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        _stop("interrupted", EXIT_INTERRUPTED)


def _stop(message: str, code: int) -> None:
    print(f"espnic: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
