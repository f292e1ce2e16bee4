"""Markdown: tables, and the parts of a document that are made from the code."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

END = "<!-- end -->"
"""The line that ends a marked part."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, a line for each row."""
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def mark(name: str, maker: str) -> str:
    """The line that begins the marked part ``name`` that the command ``maker`` makes."""
    return f"<!-- {name}: {maker} -->"


def with_parts(
    text: str, parts: Mapping[str, Callable[..., str]], maker: str = "make docs",
) -> str:
    """The document with its marked parts made anew; those of other makers stay.

    A marked part lies between the lines ``<!-- NAME: MAKER -->`` and ``<!-- end -->``; its name
    may have an argument, ``<!-- NAME "ARGUMENT": MAKER -->``. ``parts`` has the function that
    gives its contents, by name; it gets the argument if there is one. Raises ``ValueError`` for a
    name that ``parts`` does not have.
    """
    def made(found: re.Match[str]) -> str:
        name, argument = found["name"], found["argument"]
        if name not in parts:
            raise ValueError(f"marked part {name!r}, expected one of {', '.join(parts)}")
        contents = parts[name]() if argument is None else parts[name](argument)
        return f"{found['begin']}\n{contents.rstrip()}\n{END}"

    return _marked(maker).sub(made, text)


def has_part(text: str, name: str, maker: str) -> bool:
    """Whether the document has a marked part of this name and maker."""
    return any(found["name"] == name for found in _marked(maker).finditer(text))


def _marked(maker: str) -> re.Pattern[str]:
    begin = rf"(?P<begin><!-- (?P<name>\w+)(?: \"(?P<argument>[^\"]+)\")?: {re.escape(maker)} -->)"
    return re.compile(rf"{begin}\n.*?{END}", re.DOTALL)
