"""SAs of the soak, each with the sequence numbers that it has come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Any

from espnic.model.esp import esn
from espnic.model.interface.codes import (
    Encapsulation,
    IcvSize,
    KeySize,
    SaDirection,
    SaOperation,
    SaSelect,
)
from espnic.model.interface.features import Features
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import DEVICE_WINDOWS, SecurityAssociation, command_values

HALF, SCOPE = 1 << 31, 1 << 32
_BEGINS_BELOW = 400
"""Numbers that an SA has before the edge at which it begins to count."""
SPI_MIN = 256
"""The lowest SPI that is not reserved (RFC 4303, 2.1)."""


@dataclass
class Stream:
    """An SA of the engine, and what was sent under it."""

    handle: int
    direction: SaDirection
    sa: SecurityAssociation
    top: int
    """Highest number that was given to a good frame."""
    calm: bool = False
    """No limits, and numbers that only grow: whatever a command among its frames does, each frame
    has few fates."""

    @property
    def added(self) -> dict[str, int]:
        """Fields of the command that adds it."""
        return command_values(SaOperation.ADD, self.direction, self.handle, self.sa)

    def command(self, operation: SaOperation) -> dict[str, int]:
        """Fields of a command that needs the handle alone."""
        return command_values(operation, self.direction, self.handle)

    @property
    def told_esn(self) -> bool:
        """Whether software keeps the high half of its numbers for the device."""
        return (self.direction == SaDirection.RX and self.sa.esn
                and not self.sa.device_window)

    def tell_esn(self) -> dict[str, int]:
        """Fields of the MODIFY that tells the device the high half by now."""
        state = esn.driver_state(self.top, self.sa.replay_window)
        return self.added | {
            "operation": int(SaOperation.MODIFY), "select": int(SaSelect.ESN),
            "esn_high": state.high, "esn_overlap": int(state.overlap)}

    def next(self, count: int = 1) -> int:
        """The first of the next ``count`` numbers, taken; past the last it goes on from there."""
        first = self.top + 1
        self.top = min(self.top + count, (1 << 64) - 1 - count)
        return min(first, (1 << 64) - count)


def draw_stream(
    chance: Random, features: Features, direction: SaDirection, handle: int,
    wanted: Mapping[str, Any], calm: bool = False,
) -> Stream:
    """A random SA; ``wanted`` are its family, mode, key, icv, esn or encapsulation."""
    family = wanted.get("family") or chance.choice((4, 6))
    if not features.ipv6 and chance.random() < 0.95:
        family = 4
    mode = wanted.get("mode") or chance.choice(("tunnel", "transport"))
    extended = wanted.get("esn", chance.random() < 0.5)
    begin = _begin(chance, extended, calm)
    window = wanted.get("window", _window(chance, features, direction))
    if direction == SaDirection.TX or window > features.replay_window:
        window = 0
    key_size = KeySize((wanted.get("key") or chance.choice((128, 192, 256))) // 64 - 2)
    icv = IcvSize((wanted.get("icv") or chance.choice((8, 12, 16))) // 4 - 2)
    address, size = (IPv4Address, 4) if family == 4 else (IPv6Address, 16)
    encapsulation = Encapsulation[
        wanted.get("encapsulation", chance.choice(("none", "udp"))).upper()]
    state = esn.driver_state(begin, window or 32)
    sa = SecurityAssociation(
        name=f"{direction.name.lower()} {handle}", spi=chance.randrange(SPI_MIN, 1 << 32),
        source=address(chance.randbytes(size)), destination=address(chance.randbytes(size)),
        mode=mode, inner_family=family if mode == "transport" else chance.choice((4, 6)),
        key=chance.randbytes(key_size.bytes), salt=chance.randbytes(4),
        seqiv_salt=chance.randbytes(8), icv=icv, esn=extended, encapsulation=encapsulation,
        replay_window=window or 32, device_window=window > 0, initial_seq=begin + 1,
        esn_high=state.high if extended and not window else 0,
        esn_overlap=state.overlap if extended and not window else False,
        unguarded=direction == SaDirection.TX and chance.random() < 0.15,
        limits=Limits() if calm or chance.random() < 0.6 else _limits(chance))
    return Stream(handle, direction, sa, begin, calm)


def _begin(chance: Random, extended: bool, calm: bool) -> int:
    """The number before the first: mostly shortly before an edge that its numbers then cross."""
    if calm:
        return chance.randrange(1 << 16)
    edges = [0, HALF, SCOPE]
    if extended:
        edges += [SCOPE + HALF, 7 * SCOPE, 1 << 63, (1 << 64) - 1]
    edge = chance.choice(edges)
    highest = (1 << (64 if extended else 32)) - 2
    return min(max(0, edge - chance.randrange(_BEGINS_BELOW)), highest)


def _window(chance: Random, features: Features, direction: SaDirection) -> int:
    """Packets of the replay window that the device keeps; 0 for none."""
    sizes = [size for size in DEVICE_WINDOWS if size <= features.replay_window]
    if direction == SaDirection.TX or not sizes or chance.random() < 0.35:
        return 0
    return chance.choice(sizes)


def _limits(chance: Random) -> Limits:
    """Limits, some of which are soon reached."""
    def limit(most: int) -> int:
        return chance.choice((0, 0, chance.randrange(1, most), chance.getrandbits(63)))

    return Limits(limit(60), limit(30_000), limit(90), limit(60_000))
