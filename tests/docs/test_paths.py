"""Every path and relative link that a document names is there."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import PROJECT

HIDDEN_OR_MADE = {"build", "out"}
FOLDERS = "captures|cocotb_tests|docs|espnic|hdl|model|proofs|registers|sim|tests"
PATH = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[\w.*/-]*")
"""A path from the top of the project, which does not continue another one."""
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b(?!\.md)")
"""A part of a path that stands for a name, such as ROOM in cocotb_tests/ROOM/test_FILE.py."""
LINK = re.compile(r"\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
IMPORT = re.compile(r"^from (espnic\.[\w.]+) import ([\w, ]+)$", re.MULTILINE)


def visible(path: Path) -> bool:
    """Whether a path of the project is neither hidden nor made by a tool."""
    first = path.relative_to(PROJECT).parts[0]
    return first == ".github" or not (first.startswith(".") or first in HIDDEN_OR_MADE)


DOCUMENTS = sorted(path for path in PROJECT.rglob("*.md") if visible(path))
each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))


def paths_named(text: str) -> Iterator[str]:
    """The paths from the top of the project in a text, without a full stop at the end."""
    for found in PATH.findall(text):
        path = found.rstrip(".")
        if not PLACEHOLDER.search(path.replace("_", " ")):
            yield path


def is_there(path: str) -> bool:
    """Whether a file or folder of the project, or one that fits a pattern, exists."""
    return any(PROJECT.glob(path.rstrip("/")))


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_all_documents_are_looked_at():
    names = {str(path.relative_to(PROJECT)) for path in DOCUMENTS}
    assert {"README.md", "CONTRIBUTING.md", "docs/index.md", "captures/gso/README.md",
            ".github/pull_request_template.md"} <= names


@each_document
def test_paths_that_a_document_names_exist(document):
    missing = [path for path in paths_named(document.read_text()) if not is_there(path)]
    assert missing == []


@each_document
def test_links_of_a_document_lead_somewhere(document):
    broken = []
    for file, anchor in LINK.findall(CODE.sub("", document.read_text())):
        target = (document.parent / file).resolve() if file else document
        if not target.exists() or anchor and anchor not in anchors(target):
            broken.append(f"{file}#{anchor}")
    assert broken == []


@each_document
def test_what_the_examples_of_a_document_import_exists(document):
    imports = [(module, name) for module, names in IMPORT.findall(document.read_text())
               for name in names.split(", ")]
    assert [(module, name) for module, name in imports
            if not hasattr(importlib.import_module(module), name)] == []


def test_each_page_is_in_the_index():
    index = PROJECT / "docs" / "index.md"
    linked = {file for file, _ in LINK.findall(index.read_text())}
    pages = {path.name for path in index.parent.glob("*.md")} - {index.name}
    assert pages - linked == set()


@pytest.mark.parametrize("text, paths", [
    ("See `hdl/rx/parser.py`, docs/area.md.", ["hdl/rx/parser.py", "docs/area.md"]),
    ("in ../docs/gone.md, build/sim or /opt/hdl/x", []),
    ("`captures/*.json`, `cocotb_tests/ROOM/test_FILE.py`", ["captures/*.json"]),
    ("the folders of `sim/`", ["sim/"]),
])
def test_paths_are_found_in_a_text(text, paths):
    assert [*paths_named(text)] == paths


def test_a_path_that_has_moved_is_not_there():
    assert is_there("hdl/rx/*.py") and is_there("docs/")
    assert not is_there("hdl/rx_parser.py") and not is_there("docs/gone.svg")
