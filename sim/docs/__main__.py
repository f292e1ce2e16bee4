"""Write all documents, and parts of documents, that are made from the code."""

from collections.abc import Callable
from pathlib import Path

from espnic.sim.docs import (
    clock,
    coverage,
    driver_steps,
    mutations,
    proofs,
    segmentation,
    tables,
    timing,
)
from espnic.sim.files import replacing
from espnic.sim.registers.documents import FILES

Generator = Callable[[], dict[Path, str]]
"""Gives the text of each document that it makes."""


def register_files() -> dict[Path, str]:
    """All that is made of the register map."""
    return {path: text() for path, text in FILES.items()}


GENERATORS: tuple[Generator, ...] = (
    register_files, tables.documents, driver_steps.documents, segmentation.documents,
    timing.documents, proofs.documents, coverage.documents, mutations.documents,
    clock.documents)


def main() -> None:
    """Write the documents, and print the path of each."""
    for generate in GENERATORS:
        for path, text in generate().items():
            with replacing(path) as partial:
                partial.write_text(text, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
