"""Results of mutations: as JSON, as rows that are kept, and as Markdown."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from espnic.sim.markdown import table
from espnic.sim.mutate.table import Mutation
from espnic.sim.mutate.trial import BENCH, QUICK, THEN, Verdict
from espnic.sim.problem import InputError

LIVES = "nobody"
WHO = {QUICK: "the quick bench", BENCH: "the whole bench", THEN: "another bench", None: LIVES}
"""Those who may have found a mutation, as a sentence names them."""
Row = Mapping[str, str | None]
"""A mutation and who found it. ``found_by`` is None when nobody did."""


def row(verdict: Verdict) -> Row:
    """The result of a mutation that says the same whenever and wherever it was tried."""
    kill = verdict.kill
    return {
        **_change(verdict.mutation), "found_by": kill.who if kill else None,
        "test": kill.test if kill else None, "case": kill.case if kill else None}


def to_json(verdicts: Iterable[Verdict]) -> str:
    """All that is known of the mutations that were tried."""
    return _lines([{
        **row(verdict), "difference": verdict.kill.difference if verdict.kill else None,
        "broken": verdict.broken, "seconds": round(verdict.seconds, 1)} for verdict in verdicts])


def to_markdown(verdicts: Sequence[Verdict]) -> str:
    """A page of the mutations that were tried."""
    return f"# Mutations\n\n{tables([row(verdict) for verdict in verdicts])}"


def tables(rows: Sequence[Row]) -> str:
    """How many were found by whom, and a table for each room."""
    areas: dict[str, list[Row]] = {}
    for each in rows:
        areas.setdefault(str(each["block"]).split("/")[0], []).append(each)
    return "\n".join([f"{summary(rows)}\n", *(
        f"### {area}\n\n" + table(("block", "what it does wrong", "right", "wrong", "found by"),
                                  map(_cells, some)) for area, some in areas.items())])


def summary(rows: Sequence[Row]) -> str:
    """One sentence: how many mutations there are, and who found how many."""
    found = Counter(each["found_by"] for each in rows)
    parts = [f"{found[who]} by {name}" for who, name in WHO.items()]
    files = len({each["block"] for each in rows})
    return f"{len(rows)} mutations of {files} files: found {', '.join(parts)}."


def kept(path: Path, verdicts: Iterable[Verdict], mutations: Sequence[Mutation]) -> str:
    """The rows of a file brought up to date: of all ``mutations`` that were ever tried."""
    rows = {_key(each): each for each in read(path)} if path.exists() else {}
    rows |= {_key(each): each for each in map(row, verdicts)}
    # What the table says of a mutation may have changed since it was tried.
    return _lines([{**rows[each.key], **_change(each)} for each in mutations if each.key in rows])


def read(path: Path) -> list[Row]:
    """The rows of a file. Raises ``InputError`` for a file that has none."""
    try:
        rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))
        for each in rows:
            _key(each), each["fault"], each["found_by"], each["test"], each["case"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: expected results that espnic mutate --record wrote") from None
    return rows


def _change(mutation: Mutation) -> dict[str, str]:
    mutant = mutation.mutant
    return {"block": mutation.block, "fault": mutant.fault, "right": mutant.right,
            "wrong": mutant.wrong}


def _key(each: Row) -> tuple[str | None, ...]:
    return each["block"], each["right"], each["wrong"]


def _cells(each: Row) -> tuple[str, ...]:
    names = [f"`{name}`" for name in (each["test"], each["case"]) if name]
    found = ": ".join([each["found_by"] or LIVES, *names[-1:]])
    return (str(each["block"]), str(each["fault"]), _code(each["right"]), _code(each["wrong"]),
            found.replace("|", r"\|"))


def _code(text: str | None) -> str:
    """An expression in a cell, whose borders a bar would be."""
    escaped = (text or "").replace("|", r"\|")
    return f"`{escaped}`"


def _lines(rows: Sequence[Mapping[str, object]]) -> str:
    """JSON with a row a line, so that a change shows as one."""
    return "[\n" + ",\n".join(json.dumps(each, ensure_ascii=False) for each in rows) + "\n]\n"
