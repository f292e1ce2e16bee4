"""Tables in Markdown, and the marked parts of a document."""

import pytest

from espnic.sim.markdown import END, has_part, mark, table, with_parts

DOCUMENT = f"""before
{mark("one", "make docs")}
old
{END}
between
<!-- two "some words": make docs -->
{END}
{mark("one", "other command")}
kept
{END}
after
"""


def test_parts_are_made_anew_and_what_is_around_them_stays():
    made = with_parts(DOCUMENT, {
        "one": lambda: "new \\1", "two": lambda words: f"of {words}\nand more\n"})
    assert made == DOCUMENT.replace("old", "new \\1").replace(
        f"docs -->\n{END}", f"docs -->\nof some words\nand more\n{END}")


def test_parts_of_another_maker_are_made_by_its_name_alone():
    made = with_parts(DOCUMENT, {"one": lambda: "new"}, "other command")
    assert made == DOCUMENT.replace("kept", "new")


def test_part_that_nothing_makes_is_named():
    with pytest.raises(ValueError, match="marked part 'two', expected one of one"):
        with_parts(DOCUMENT, {"one": lambda: ""})


def test_document_has_a_part_only_with_its_name_maker_and_end():
    assert has_part(DOCUMENT, "one", "other command")
    assert not has_part(DOCUMENT, "two", "other command")
    assert not has_part(mark("one", "make docs") + "\n", "one", "make docs")


def test_table_has_a_line_for_each_row():
    assert table(("a", "b"), [(1, "x"), (2, "y")]) == """\
| a | b |
| --- | --- |
| 1 | x |
| 2 | y |
"""
