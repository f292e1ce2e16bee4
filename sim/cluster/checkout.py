"""The sources of a checkout, so that two machines know that they have the same."""

import hashlib
from functools import cache
from pathlib import Path

_FOLDERS = ("hdl", "model", "sim", "proofs", "cocotb_tests", "tests/support")
_ENDINGS = {".py", ".v", ".cpp"}


@cache
def sources_of(project: Path) -> str:
    """Hash of all that a bench may depend on."""
    digest = hashlib.sha256()
    for folder in _FOLDERS:
        for source in sorted((project / folder).rglob("*")):
            if source.suffix in _ENDINGS:
                name = str(source.relative_to(project)).encode()
                for part in (name, source.read_bytes()):
                    digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
