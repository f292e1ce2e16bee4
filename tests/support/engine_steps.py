"""Steps for the engine's tests: captures of the kernel, hand-made frames, random mixes."""

from dataclasses import replace
from random import Random

from espnic.model.esp import esp, trailer
from espnic.model.host import stack
from espnic.model.interface.codes import RxStatus, SaDirection, SaOperation, TxOperation
from espnic.model.sa.sa import SecurityAssociation, command_values
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import Command, RxFrame, Step, TxFrame

BOTH = (SaDirection.RX, SaDirection.TX)
ETHERNET_MIN_BYTES = 60


def add_commands(sas, *directions: SaDirection) -> list[Step]:
    """Add the SAs under handles 1 and up."""
    return [
        Command(command_values(SaOperation.ADD, direction, handle, sa))
        for direction in directions
        for handle, sa in enumerate(sas, start=1)
    ]


def bypass(data: bytes) -> TxFrame:
    """A frame that is to leave as it is."""
    return TxFrame({"operation": int(TxOperation.BYPASS)}, data)


class Traffic:
    """Frames of the given SAs, each with the next sequence number of its SA.

    Parameters
    ----------
    sas
        SAs, under handles 1 and up in both directions.
    random
        Where all that is random comes from.
    """

    def __init__(self, sas: list[SecurityAssociation], random: Random) -> None:
        self.sas = sas
        self.random = random
        self._sequences = [stack.sequence_numbers(sa) for sa in sas]

    def take(self, index: int, count: int = 1) -> int:
        """The first of the next ``count`` sequence numbers of an SA, taken."""
        numbers = self._sequences[index]
        first = next(numbers)
        for _ in range(count - 1):
            next(numbers)
        return first

    def wire_frame(self, index: int, payload_bytes: int, pad_bytes: int | None = None) -> bytes:
        """A good frame from the wire; ``pad_bytes`` of padding, else as few as will do."""
        payload = self.random.randbytes(payload_bytes)
        end = (trailer.build(payload_bytes, 4) if pad_bytes is None
               else bytes(range(1, pad_bytes + 1)) + bytes([pad_bytes, 4]))
        tags = frames.VLAN_TAG if self.random.random() < 0.2 else b""
        frame = frames.sealed(self.sas[index], payload + end, self.take(index), tags)
        return frame + bytes(max(0, ETHERNET_MIN_BYTES - len(frame)))

    def request(
        self, index: int, payload_bytes: int, with_trailer: bool, tags: bytes | None = None,
    ) -> TxFrame:
        """A good frame to seal, garbage in the fields that the engine fills.

        ``tags`` are its VLAN tags; None leaves them to chance.
        """
        sa, random = self.sas[index], self.random
        sequence = self.take(index)
        payload = random.randbytes(payload_bytes)
        body = esp.header(sa, sequence)[:4] + random.randbytes(12) + payload
        if with_trailer:
            body += trailer.build(payload_bytes, 4) + random.randbytes(sa.icv.bytes)
        if tags is None:
            tags = frames.VLAN_TAG if random.random() < 0.2 else b""
        frame = frames.carried(sa, body, tags)
        descriptor = {
            "operation": int(TxOperation.ENCRYPT), "trailer": int(with_trailer),
            "sa": index + 1, "sequence": sequence, "esp_offset": len(frame) - len(body),
            "next_header": 4,
        }
        return TxFrame(descriptor, frame)

    def mixed_receive(self, count: int) -> list[Step]:
        """Good frames and frames with something wrong, in random order."""
        steps: list[Step] = []
        kinds = [kind for sa in self.sas for kind in frames.kinds(sa)
                 if kind.frame and kind.status != RxStatus.OVERSIZE]
        for _ in range(count):
            frame = self.wire_frame(self.random.randrange(len(self.sas)), self._size())
            choice = self.random.random()
            if choice < 0.15:
                frame = flip(frame, self.random.randrange(8 * len(frame)))
            elif choice < 0.3:
                frame = frame[:self.random.randrange(1, len(frame))]
            elif choice < 0.35:
                frame += self.random.randbytes(self.random.randrange(1, 80))
            elif choice < 0.5:
                frame = self.random.choice(kinds).frame
            elif choice < 0.55:
                frame = self.random.randbytes(self.random.randrange(1, 200))
            elif choice < 0.56:
                frame = bytes(self.random.randrange(9601, 20000))
            steps.append(RxFrame(frame))
        return steps

    def mixed_transmit(self, count: int) -> list[Step]:
        """Good requests, frames to pass, and requests with something wrong, in random order."""
        steps: list[Step] = []
        for _ in range(count):
            if self.random.random() < 0.2:
                steps.append(bypass(self.random.randbytes(self.random.randrange(1, 400))))
                continue
            step = self.request(
                self.random.randrange(len(self.sas)), self._size(), self.random.random() < 0.5)
            choice = self.random.random()
            if choice < 0.1:
                step = TxFrame(step.descriptor, step.data[:self.random.randrange(
                    1, len(step.data))])
            elif choice < 0.2:
                wrong = self.random.choice([
                    {"sa": self.random.randrange(1 << 16)}, {"sequence": 0},
                    {"sequence": max(0, step.descriptor["sequence"] - self.random.randrange(2000))},
                    {"esp_offset": self.random.randrange(256)}])
                step = TxFrame(step.descriptor | wrong, step.data)
            elif choice < 0.21:
                step = TxFrame(step.descriptor, step.data + bytes(10_000))
            steps.append(step)
        return steps

    def _size(self) -> int:
        """Mostly small, for the corners lie there; now and then as long as can be."""
        return self.random.choice([
            self.random.randrange(1, 40), self.random.randrange(1, 200),
            self.random.randrange(1, 1500),
            self.random.randrange(1, 9400) if self.random.random() < 0.1 else 64])


def flip(frame: bytes, bit: int) -> bytes:
    """The frame with one bit inverted."""
    changed = bytearray(frame)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def spoilt(steps: list[Step], random: Random, width: int) -> list[Step]:
    """The steps, with bad copies in front of some frames from the wire.

    Some frames end with a beat without bytes, and some of these are filled up for it.
    """
    mixed: list[Step] = []
    for step in steps:
        if not isinstance(step, RxFrame):
            mixed.append(step)
            continue
        if random.random() < 0.3:
            mixed.append(_ended(replace(step, bad=True), random, width))
        mixed.append(_ended(step, random, width))
    return mixed


def _ended(step: RxFrame, random: Random, width: int) -> RxFrame:
    if random.random() < 0.6:
        return step
    return replace(step, data=step.data + bytes(-len(step.data) % (width // 8)), null_end=True)


def with_sidebands(steps: list[Step], random: Random, bits: int) -> list[Step]:
    """The steps, with a random sideband beside each frame."""
    return [replace(step, sideband=random.getrandbits(bits))
            if isinstance(step, RxFrame | TxFrame) else step for step in steps]


def alternate(good: list[Step], bad: list[Step]) -> list[Step]:
    """A good step before each bad one, and the other good ones after the last."""
    steps = [step for pair in zip(good, bad, strict=False) for step in pair]
    return [*steps, *good[len(bad):]]
