"""Stand-ins for the commands of batch systems: they run each job on this machine, at once."""

from pathlib import Path

COMMANDS = {"slurm": ("sbatch", "scancel", "Submitted batch job $!"),
            "lsf": ("bsub", "bkill", "Job <$!> is submitted to default queue <normal>."),
            "pbs": ("qsub", "qdel", "$!.head")}
"""Command of each system that submits, command that cancels, and answer of the first."""


def stand_in(system: str, folder: Path) -> None:
    """Put the commands into a folder, where each job leaves its script and what it says."""
    submit, cancel, answer = COMMANDS[system]
    # The script comes as an argument, or as the input of bsub.
    _write(folder / submit, f"""
        script=$(mktemp {folder}/job.XXXXXX)
        cat "${{1:-/dev/stdin}}" >$script
        setsid sh $script >$script.log 2>&1 </dev/null &
        echo "{answer}"
    """)
    _write(folder / cancel, """
        kill -TERM -- "-$1"
    """)


def _write(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh{text}")
    path.chmod(0o755)
