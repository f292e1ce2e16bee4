"""Random stories: SAs, commands and frames of all kinds, drawn from one seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from espnic.model.interface.codes import (
    ReplayWindow,
    SaDirection,
    SaOperation,
    SaSelect,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import SA_COMMAND
from espnic.model.sa.lifetime import Limits
from espnic.sim.soak.aims import ANY, Aim
from espnic.sim.soak.received import Receiving
from espnic.sim.soak.requested import Requesting
from espnic.sim.soak.scenes import Scene, Story, share
from espnic.sim.soak.streams import Stream, draw_stream
from espnic.sim.traffic.steps import RxFrame, TxFrame

SCENES = 8
"""Scenes of a story."""
_STREAMS = 10
"""SAs of a direction."""
_CALM = 3
"""SAs of a direction that commands disturb."""
_PORTS = ((4500,), (4500, 4501), (500, 4500, 10_000, 65_535))
_SHARES = (0.0, 0.0, 0.0, 0.0, 0.1, 0.3, 0.5)
"""Probabilities of a gap or stall in a clock."""
_RESET_CLOCKS = (20, 3000)
_KINDS = ("quiet", "disturbed", "flushed", "reset", "eventful")
_KIND_WEIGHTS = (50, 25, 8, 12, 5)
_SHORT_LIVED = 40
"""SAs of a direction in a scene with more events than the queue holds."""
_AIMED = 0.6
"""Share of the traffic that is steered to holes, when there are some."""
_WAIT_CLOCKS = 300
"""Most clocks between two commands among frames."""

Commands = list[dict[str, int]]


@dataclass
class _Sas:
    """The streams of the SAs that the engine has, by direction."""

    by_direction: dict[SaDirection, list[Stream]] = field(
        default_factory=lambda: {direction: [] for direction in SaDirection})

    def all(self) -> list[Stream]:
        return [stream for streams in self.by_direction.values() for stream in streams]

    def calm(self) -> list[Stream]:
        return [stream for stream in self.all() if stream.calm]


class Storyteller:
    """Writer of the story of one seed for a build.

    ``wanted`` are holes of the functional coverage: values of some dimensions, to which a part of
    the traffic is steered.
    """

    def __init__(
        self, seed: int | str, features: Features, wanted: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._chance = Random(seed)
        self._features = features
        self._directions = [direction for direction, there in (
            (SaDirection.RX, features.receive), (SaDirection.TX, features.transmit)) if there]
        self._sas = _Sas()
        self._crowded = False
        """Whether there are more SAs than usual."""
        self._ports: tuple[int, ...] = (4500,)
        self._tails: tuple[RxFrame | TxFrame, ...] = ()
        self._aims = {direction: [hole for hole in wanted
                                  if hole["cross"].startswith(direction.name.lower())]
                      for direction in SaDirection}

    def tell(self, frames: int) -> Story:
        """The story with about ``frames`` frames."""
        seed = self._chance.getrandbits(31)
        scenes: list[Scene] = []
        while len(scenes) < SCENES:
            scenes.append(self._scene(max(1, frames // SCENES), first=not scenes))
        return Story(self._features, seed, tuple(scenes))

    def _scene(self, frames: int, first: bool) -> Scene:
        chance = self._chance
        kind = "quiet" if first else chance.choices(_KINDS, _KIND_WEIGHTS)[0]
        ports = None
        if first or not self._sas.all() or chance.random() < 0.1:
            ports = self._ports = chance.choice(_PORTS)
        if kind == "eventful":
            commands = [*self._flush(), *self._add_short_lived()]
        else:
            commands = [*self._clean(), *self._refill(), *self._tell_esn(), *self._noise()]
        if kind in ("disturbed", "flushed"):
            commands += self._add_calm()
        scene = Scene(
            tuple(commands), ports, *self._frames(frames, kind),
            gap=share(chance.choice(_SHARES)), stall=share(chance.choice(_SHARES)))
        if kind == "reset":
            scene = replace(scene, reset_after=chance.randrange(*_RESET_CLOCKS))
            self._tails = (*chance.sample(scene.rx, min(1, len(scene.rx))),
                           *chance.sample(scene.tx, min(1, len(scene.tx))))
            self._sas, self._crowded = _Sas(), False
        elif kind == "disturbed":
            scene = self._disturbed(scene)
        elif kind == "flushed":
            flush = {"operation": int(SaOperation.FLUSH)}
            scene = replace(scene, meanwhile=((chance.randrange(20, 1500), flush),))
            self._sas, self._crowded = _Sas(), False
        return scene

    # Commands

    def _clean(self) -> Iterator[dict[str, int]]:
        """Remove the SAs that the last scene disturbed, and now and then another, or all."""
        chance, sas = self._chance, self._sas
        if self._crowded or chance.random() < 0.04:
            yield from self._flush()
            return
        for stream in sas.all():
            if stream.calm or chance.random() < 0.12:
                yield stream.command(SaOperation.DELETE)
                yield stream.command(SaOperation.FREE)
                sas.by_direction[stream.direction].remove(stream)

    def _flush(self) -> Iterator[dict[str, int]]:
        self._sas, self._crowded = _Sas(), False
        yield {"operation": int(SaOperation.FLUSH)}

    def _add_short_lived(self) -> Iterator[dict[str, int]]:
        """Add many SAs that each reach their limits at once: more events than the queue holds."""
        self._crowded = True
        for direction in self._directions:
            for _ in range(min(_SHORT_LIVED, self._features.sas - 1)):
                stream = self._draw(direction)
                limits = Limits(soft_packets=1, hard_packets=self._chance.randrange(1, 4))
                stream.sa = replace(stream.sa, limits=limits)
                yield stream.added
                if not self._refused(stream):
                    self._sas.by_direction[direction].append(stream)

    def _refill(self) -> Iterator[dict[str, int]]:
        """Add SAs until there are as many as there should be."""
        for direction in self._directions:
            streams = self._sas.by_direction[direction]
            while len(streams) < min(_STREAMS, self._features.sas - 1 - _CALM):
                stream = self._draw(direction)
                yield stream.added
                if not self._refused(stream):
                    streams.append(stream)

    def _refused(self, stream: Stream) -> bool:
        """Whether this build does not take the SA."""
        return stream.sa.outer_family == 6 and not self._features.ipv6

    def _draw(self, direction: SaDirection, calm: bool = False) -> Stream:
        chance, features = self._chance, self._features
        taken = {stream.handle for stream in self._sas.by_direction[direction]}
        handle = chance.choice((chance.randrange(1, features.sas), features.sas - 1,
                                chance.randrange(1, min(features.sas, 3 * _STREAMS))))
        while handle in taken:
            handle = chance.randrange(1, features.sas)
        kinds = [aim for aim in self._aims[direction] if "key" in aim]
        wanted = chance.choice(kinds) if kinds and chance.random() < _AIMED else ANY
        return draw_stream(chance, features, direction, handle, wanted, calm)

    def _tell_esn(self) -> Iterator[dict[str, int]]:
        return (stream.tell_esn() for stream in self._sas.all() if stream.told_esn)

    def _noise(self) -> Commands:
        """Commands that change nothing of an SA but its limits, or that are refused."""
        return [self._command() for _ in range(self._chance.randrange(5))]

    def _command(self) -> dict[str, int]:
        chance = self._chance
        streams = [stream for stream in self._sas.all() if not stream.calm]
        if not streams or chance.random() < 0.3:
            return self._refused_command(None)
        stream = chance.choice(streams)
        choice = chance.random()
        if choice < 0.3:
            return stream.command(SaOperation.READ)
        if choice < 0.6:
            limits = {name: chance.choice((0, chance.randrange(1, 200), chance.getrandbits(64)))
                      for name in ("soft_packets", "soft_bytes", "hard_packets", "hard_bytes")}
            select = chance.choice((SaSelect.SOFT, SaSelect.HARD, SaSelect.SOFT | SaSelect.HARD))
            return stream.command(SaOperation.MODIFY) | limits | {"select": int(select)}
        return self._refused_command(stream)

    def _refused_command(self, stream: Stream | None) -> dict[str, int]:
        """A command that is refused, or that may be."""
        chance, last = self._chance, self._features.sas - 1
        if stream is None:
            values = {"operation": chance.randrange(16), "direction": chance.randrange(2),
                      "sa": chance.choice((0, last + 1, 0xFFFF))}
            if values["operation"] == SaOperation.FLUSH:
                values["operation"] = int(SaOperation.READ)
            return values
        return chance.choice((
            stream.added,
            stream.command(SaOperation.FREE),
            stream.command(SaOperation.MODIFY),
            stream.command(SaOperation.MODIFY) | {"select": int(SaSelect.ESN) | 8},
            stream.added | {"sa": last + 1 & 0xFFFF},
            stream.added | {"key_size": 3, "sa": last}, stream.added | {"icv_size": 3, "sa": last},
            stream.added | {"spi": 0}, stream.added | {"reserved": 1 << chance.randrange(
                next(part.bits for part in SA_COMMAND.fields if part.reserved))},
            self._draw(SaDirection.RX).added | {
                "replay_window": int(ReplayWindow.W4096), "sequence": 0},
        ))

    # Commands among frames

    def _add_calm(self) -> Iterator[dict[str, int]]:
        for direction in self._directions:
            for _ in range(_CALM):
                stream = self._draw(direction, calm=True)
                if not self._refused(stream):
                    self._sas.by_direction[direction].append(stream)
                yield stream.added

    def _disturbed(self, scene: Scene) -> Scene:
        """The scene with commands on its calm SAs among the frames.

        Frames are given to the SAs that are added too, before they are there and after.
        """
        chance = self._chance
        commands: Commands = []
        added: list[Stream] = []
        for stream in chance.sample(self._sas.calm(), min(len(self._sas.calm()), 3)):
            commands += self._life(stream, added)
        for at in sorted(chance.randrange(len(commands) + 1) for _ in range(chance.randrange(4))):
            commands.insert(at, self._refused_command(None))
        waits = [chance.choice((0, chance.randrange(_WAIT_CLOCKS))) for _ in commands]
        rx, tx = list(scene.rx), list(scene.tx)
        for stream in added:
            self._mix_in(rx if stream.direction == SaDirection.RX else tx, stream)
        return replace(scene, rx=tuple(rx), tx=tuple(tx),
                       meanwhile=tuple(zip(waits, commands, strict=True)))

    def _life(self, stream: Stream, added: list[Stream]) -> Commands:
        """Commands for a calm SA: it is changed, it goes, another takes its handle."""
        chance = self._chance
        commands: Commands = []
        if stream.told_esn and chance.random() < 0.5:
            commands.append(stream.tell_esn())
        if chance.random() < 0.3:
            commands.append(stream.command(SaOperation.READ))
        if chance.random() < 0.8:
            commands.append(stream.command(SaOperation.DELETE))
            if chance.random() < 0.8:
                commands.append(stream.command(SaOperation.FREE))
                if chance.random() < 0.8:
                    other = replace(self._draw(stream.direction, calm=True), handle=stream.handle)
                    commands.append(other.added)
                    added.append(other)
                    self._sas.by_direction[stream.direction].append(other)
        return commands

    def _mix_in(self, frames: list[Any], stream: Stream) -> None:
        """Put frames of one stream at random places among others."""
        more = [self._receiving([stream]).frame() if stream.direction == SaDirection.RX
                else self._requesting([stream]).request()
                for _ in range(self._chance.randrange(2, 30))]
        places = sorted(self._chance.randrange(len(frames) + 1) for _ in more)
        for moved, (at, frame) in enumerate(zip(places, more, strict=True)):
            frames.insert(at + moved, frame)

    # Frames

    def _receiving(self, streams: Sequence[Stream]) -> Receiving:
        return Receiving(self._chance, self._features, streams, self._ports)

    def _requesting(self, streams: Sequence[Stream]) -> Requesting:
        return Requesting(self._chance, self._features, streams)

    def _frames(
        self, count: int, kind: str,
    ) -> tuple[tuple[RxFrame, ...], tuple[TxFrame, ...]]:
        """Frames of both directions; those of a scene with a FLUSH are of calm SAs alone."""
        chance = self._chance
        streams = {direction: [stream for stream in found if stream.calm or kind != "flushed"]
                   for direction, found in self._sas.by_direction.items()}
        receiving = self._receiving(streams[SaDirection.RX])
        requesting = self._requesting(streams[SaDirection.TX])
        rx: list[RxFrame] = []
        tx: list[TxFrame] = []
        for tail in self._tails:
            if isinstance(tail, RxFrame):
                rx.append(receiving.tail(tail))
            else:
                tx.append(requesting.tail(tail))
        self._tails = ()
        for _ in range(count):
            direction = chance.choice(self._directions)
            if direction == SaDirection.RX:
                rx.append(receiving.frame(self._aim(direction)))
            else:
                tx.append(requesting.request(self._aim(direction)))
        return tuple(rx), tuple(tx)

    def _aim(self, direction: SaDirection) -> Aim:
        """A hole to steer to, or nothing in particular."""
        aims = self._aims[direction]
        return self._chance.choice(aims) if aims and self._chance.random() < _AIMED else ANY
