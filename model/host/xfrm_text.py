"""SAs in the output of ``ip xfrm state``, with or without ``-s``, ``-d`` and ``-o``.

Source: iproute2 6.1, ip/ipxfrm.c and ip/xfrm_state.c; lines that newer versions add are passed
over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from espnic.model.host.safile import ENCAPSULATION, Entry, SaFileError
from espnic.model.sa.sa import ALGORITHM, MODES, SALT_BYTES

_STATE = re.compile(r"src (\S+) dst (\S+)")
_POLICY = re.compile(r"src \S+/\d+ dst \S+/\d+.*")
_ID = re.compile(r"proto (\S{1,20}) (?:spi (0x[0-9a-f]{8})(?:\((\d{1,10})\))? )?"
                 r"reqid \d+(?:\(0x[0-9a-f]+\))? mode (\S{1,20})")
_WINDOW = re.compile(r"replay-window (\d{1,10})\b")
_FLAGS = re.compile(r"\bflag ([^(]*)")
_EXTRA_FLAGS = "extra_flag"
"""Name of what follows the flags, with no blank before it."""
_ALGORITHM = re.compile(r"(auth|auth-trunc|aead|enc|comp) (\S{1,64}) (.*)")
_KEY = re.compile(r"0x([0-9a-f]*)(?: \(\d+ bits\))?(?: (\d{1,10}))?")
_HIDDEN = "<<Keys hidden>>"
_ENCAP = re.compile(r"encap type (\S{1,20}) sport (\d{1,5}) dport (\d{1,5})\b.*")
_COUNTER = re.compile(r"\b(o?seq(?:-hi)?) (0x[0-9a-f]{1,8})\b")
_CONTEXT_WINDOW = re.compile(r"replay_window (\d{1,10}),.*")
_SELECTOR = re.compile(r"sel src (\S+) dst (\S+)\b.*")
_TFCPAD = re.compile(r"tfcpad (\d{1,10})")
_ESN_FLAG = 0x80
"""Flag of ESN, which iproute2 before 3.11 shows as a number."""
_AEAD = "aead"
_SALT_DIGITS = 2 * SALT_BYTES


def is_xfrm_text(text: str) -> bool:
    """Whether a text looks like the output of ``ip xfrm``."""
    return any(_STATE.match(line.strip()) for line in text.splitlines())


def entries(where: str, text: str) -> list[Entry]:
    """The SAs of the text as entries of an SA file.

    The first sequence number is the one after the highest that was sent or received. Raises
    ``SaFileError``, whose message begins with ``where``.
    """
    found: list[Entry] = []
    taken: dict[object, str] = {}
    for state in _states(where, text):
        entry = state.entry(_name(state, [entry.values["name"] for entry in found]))
        place = state.destination, bool(state.encap), state.spi
        if entry.reason is None and place in taken:
            entry = Entry(entry.values, f"the destination and SPI of SA {taken[place]}, and the "
                                        "engine knows no mark")
        elif entry.reason is None:
            taken[place] = entry.values["name"]
        found.append(entry)
    return found


@dataclass
class _State:
    """A state, as its lines say."""

    where: str
    """File, and line on which it begins."""
    source: str
    destination: str
    protocol: str = ""
    spi: int = 0
    mode: str = ""
    window: int = 0
    flags: tuple[str, ...] = ()
    algorithms: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name, and key with what follows it, of each kind of algorithm."""
    encap: tuple[str, int, int] | None = None
    """Type, source port and destination port."""
    counters: dict[str, int] = field(default_factory=dict)
    selector: dict[str, str] | None = None
    tfcpad: int = 0
    sends: bool = False
    """Whether it is said to be for sending."""

    def entry(self, name: str) -> Entry:
        """The SA as an entry of an SA file."""
        values = {
            "name": name, "spi": self.spi, "src": self.source, "dst": self.destination,
            "mode": self.mode, "alg": self._algorithm(), "esn": self._esn, "tfcpad": self.tfcpad,
            "encap": self.encap and {"sport": self.encap[1], "dport": self.encap[2]},
            "selector": self.selector, "inner_family": self._inner_family(),
            "initial_seq": self._next_number(),
        }
        # Linux keeps no window for what it sends; the receiver's is not known.
        if not (self.sends and self.window == 0):
            values["replay_window"] = self.window
        reason = self._unsupported()
        return Entry(values | (self._key() if reason is None else {}), reason)

    @property
    def _esn(self) -> bool:
        return any(flag == "esn" or _is_hex(flag) and int(flag, 16) & _ESN_FLAG
                   for flag in self.flags)

    def _algorithm(self) -> str:
        return " with ".join(self.algorithms[kind][0] for kind in
                             ("aead", "enc", "auth", "auth-trunc", "comp")
                             if kind in self.algorithms)

    def _unsupported(self) -> str | None:
        """The reason why the engine cannot do this SA; None if it can."""
        if self.protocol != "esp":
            return f"protocol {self.protocol}, the engine does esp"
        if not self.algorithms or not self.spi:
            return "no key yet: Linux waits for its negotiation"
        if self.mode not in MODES:
            return f"mode {self.mode}, the engine does {' and '.join(MODES)}"
        if self._algorithm() != ALGORITHM:
            return f"algorithm {self._algorithm()}, the engine does {ALGORITHM}"
        if self.encap and self.encap[0] != ENCAPSULATION:
            return f"encapsulation {self.encap[0]}, the engine does {ENCAPSULATION}"
        if self._next_number() >> (64 if self._esn else 32):
            return "its sequence numbers are used up"
        return None

    def _key(self) -> dict[str, Any]:
        _name, text = self.algorithms[_AEAD]
        match = _KEY.fullmatch(text)
        if text.startswith(_HIDDEN):
            raise SaFileError(f"{self.where}: key hidden, expected the output of ip xfrm state "
                              "without nokeys")
        if match is None or match[2] is None:
            raise SaFileError(f"{self.where}: aead: no key in hex and ICV length after the name, "
                              "expected a line of ip xfrm state")
        return {"key": match[1][:-_SALT_DIGITS], "salt": match[1][-_SALT_DIGITS:],
                "icv_bits": int(match[2])}

    def _next_number(self) -> int:
        high = "-hi" if self._esn else None
        return 1 + max((self.counters.get(name + high, 0) << 32 if high else 0)
                       | self.counters.get(name, 0) for name in ("seq", "oseq"))

    def _inner_family(self) -> int | None:
        """IP version inside: that of the selector, else both with af-unspec, else as outside."""
        if self.selector is not None:
            return 6 if ":" in self.selector["dst"] else 4
        if "af-unspec" in self.flags:
            return None
        return 6 if ":" in self.destination else 4


def _states(where: str, text: str) -> Iterator[_State]:
    """The states of a text; what stands before the first, as the command itself, is no state."""
    state: _State | None = None
    # With -o a backslash stands where a line would end.
    for number, line in enumerate(text.replace("\\", "\n").splitlines(), start=1):
        line, place = line.strip(), f"{where}: line {number}"
        if _POLICY.fullmatch(line):
            raise SaFileError(f"{place}: a policy, expected the output of ip xfrm state")
        begin = _STATE.fullmatch(line)
        if begin:
            if state is not None:
                yield _whole(state)
            state = _State(place, begin[1], begin[2])
        elif state is not None:
            _read(state, line, place)
    if state is not None:
        yield _whole(state)


def _whole(state: _State) -> _State:
    if not state.protocol:
        raise SaFileError(f"{state.where}: no line with proto and mode, expected a whole state")
    return state


def _read(state: _State, line: str, place: str) -> None:
    """Take what a line of a state says."""
    if line.startswith("proto "):
        match = _ID.fullmatch(line)
        if match is None or match[3] and int(match[3]) != int(match[2], 16):
            raise SaFileError(f"{place}: {line[:60]}: expected proto, spi, reqid and mode as "
                              "ip xfrm state shows them")
        state.protocol, state.spi, state.mode = match[1], int(match[2] or "0", 16), match[4]
    elif match := _ALGORITHM.fullmatch(line):
        state.algorithms[match[1]] = match[2], match[3]
    elif match := _ENCAP.fullmatch(line):
        state.encap = match[1], int(match[2]), int(match[3])
    elif match := _SELECTOR.fullmatch(line):
        state.selector = {"src": match[1], "dst": match[2]}
    elif match := _CONTEXT_WINDOW.fullmatch(line):
        state.window = int(match[1])
    elif match := _TFCPAD.fullmatch(line):
        state.tfcpad = int(match[1])
    elif line == "dir out":
        state.sends = True
    elif line.startswith(("anti-replay ", "seq-hi ", "oseq-hi ")):
        state.counters |= {name: int(value, 16) for name, value in _COUNTER.findall(line)}
    elif not state.flags:
        _read_flags(state, line)


def _read_flags(state: _State, line: str) -> None:
    """Take window and flags; with -s a line of the same name, with other figures, follows later."""
    match = _WINDOW.match(line)
    if match and not state.algorithms:
        state.window = int(match[1])
    flags = _FLAGS.search(line)
    if flags and not state.algorithms:
        state.flags = tuple(flags[1].replace(_EXTRA_FLAGS, f" {_EXTRA_FLAGS} ").split())


def _is_hex(text: str) -> bool:
    return re.fullmatch("[0-9a-f]+", text) is not None


def _name(state: _State, taken: list[Any]) -> str:
    """The SPI; with the destination where two have the same, and with a number if need be."""
    name = f"0x{state.spi:08x}"
    if name in taken:
        name += f" to {state.destination}"
    count, unique = 1, name
    while unique in taken:
        count += 1
        unique = f"{name} ({count})"
    return unique


