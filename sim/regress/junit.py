"""JUnit XML of a regression: a case for each cocotb test."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable

from espnic.sim.regress.results import Bench, Report


def to_xml(report: Report) -> str:
    """The text of the file: a suite for each bench and seed.

    What failed outside of a cocotb test, as a build or a comparison after the run, is a case with
    the name of the bench.
    """
    root = ElementTree.Element("testsuites", name="espnic regress", time=f"{report.seconds:.3f}")
    for bench in report.benches:
        cases = list(_cases(bench))
        suite = ElementTree.SubElement(
            root, "testsuite", name=bench.id, tests=str(len(cases)),
            failures=str(sum(case.find("failure") is not None for case in cases)),
            skipped=str(sum(case.find("skipped") is not None for case in cases)),
            time=f"{bench.seconds:.3f}", timestamp=report.started)
        suite.extend(cases)
    for total in ("tests", "failures", "skipped"):
        root.set(total, str(sum(int(suite.get(total, 0)) for suite in root)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _cases(bench: Bench) -> Iterable[ElementTree.Element]:
    for run in bench.runs:
        for case in run.cases:
            element = ElementTree.Element(
                "testcase", classname=f"{run.module}.{run.top}.{run.simulator}.seed{run.seed}",
                name=case.name, time=f"{case.seconds:.3f}")
            # Some benches let a simulation fail, and pass.
            if bench.failed and case.message is not None:
                _fail(element, case.message.splitlines()[0] if case.message else "", case.message,
                      bench.repeat)
            yield element
    if not bench.failing and (bench.outcome != "passed" or not bench.runs):
        element = ElementTree.Element(
            "testcase", classname=bench.block.replace("/", "."),
            name=bench.id.split("::")[-1], time=f"{bench.seconds:.3f}")
        if bench.failed:
            _fail(element, bench.difference, bench.message or "", bench.repeat)
        elif bench.outcome == "skipped":
            ElementTree.SubElement(element, "skipped", message=bench.message or "")
        yield element


def _fail(element: ElementTree.Element, message: str, text: str, repeat: str) -> None:
    failure = ElementTree.SubElement(element, "failure", message=_clean(message))
    failure.text = _clean(f"{text}\nrepeat: {repeat}")


def _clean(text: str) -> str:
    """The text without the characters that XML cannot hold, such as those of colours."""
    return "".join(letter for letter in text if letter >= " " or letter in "\n\t")
