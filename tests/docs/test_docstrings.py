"""Docstrings say what a thing is or does: they begin with a noun or a verb."""

import ast

import pytest

from tests.support.paths import PROJECT

FOLDERS = ("hdl", "model", "proofs", "sim", "tests", "cocotb_tests")
FILES = [path for folder in FOLDERS for path in sorted((PROJECT / folder).rglob("*.py"))]
HEADLESS = {"Of", "As", "That", "Behind", "Than", "Which", "Whose", "What", "It"}
"""First words of a text that lacks the noun which it describes."""


def docstrings(path):
    """Line and text of each docstring of a file, those of attributes and constants among them."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)) if text.strip():
                yield node.lineno, text.strip()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_docstrings_begin_with_a_noun_or_a_verb(path):
    headless = [f"line {line}: {text.splitlines()[0]}" for line, text in docstrings(path)
                if text.split()[0] in HEADLESS]
    assert headless == []
