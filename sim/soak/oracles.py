"""Oracles and monitors that share no code with the golden model.

They know the ADD commands, what went in and what came out, and the ``cryptography`` package:

- a frame that the host gets as opened is the decryption of what came, under the SA that its
  completion names; every other frame is as it came: no plaintext of a frame whose tag failed;
- a frame on the wire that was to be sealed is authentic under its SA, and nothing that was to be
  sealed is on the wire in clear;
- no key and IV are used twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    RxStatus,
    SaDirection,
    SaOperation,
    TxOperation,
    TxStatus,
)
from espnic.sim.soak import esp
from espnic.sim.soak.requested import MARK
from espnic.sim.soak.scenes import Scene
from espnic.sim.traffic.steps import Received, RxFrame, TxFrame

_ETHERTYPES = {b"\x08\x00": 4, b"\x86\xdd": 6}
_ESP, _UDP = 50, 17


@dataclass
class Oracles:
    """Knowledge of the SAs so far, and of the packets that were sealed under them."""

    added: dict[tuple[int, int], list[dict[str, int]]] = field(
        default_factory=lambda: defaultdict(list))
    """ADD commands by direction and handle, refused ones too: those that may serve a frame."""
    highs: dict[tuple[int, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    """High halves that the numbers of an SA may have, by direction and handle."""
    sealed: set[tuple[bytes, bytes]] = field(default_factory=set)
    """Key and nonce of each sealed frame under an SA that is guarded."""
    opened: int = 0
    """Frames that were found rightly opened."""
    authentic: int = 0
    """Frames on the wire that were found authentic."""

    def learn(self, commands: Iterable[Mapping[str, int]]) -> None:
        """Note SAs and high halves from commands that the engine gets."""
        for values in commands:
            place = values.get("direction", 0), values.get("sa", 0)
            if values["operation"] == SaOperation.ADD and values.get("key_size", 0) < 3:
                self.added[place].append(dict(values))
                self.highs[place] |= {values.get("esn_high", 0), values.get("sequence", 0) >> 32}
            elif values["operation"] == SaOperation.MODIFY:
                self.highs[place].add(values.get("esn_high", 0))

    def forget(self) -> None:
        """After a reset there is no SA."""
        self.added.clear()
        self.highs.clear()

    def judge_received(self, frames: Sequence[RxFrame], received: Sequence[Received]) -> str | None:
        """The first fault of the frames to the host, in one line; None if there is none.

        There may be fewer than came, when a reset has cut the scene.
        """
        kept = [frame for frame in frames if len(frame.data) <= FRAME_BYTES_MAX]
        for number, (frame, got) in enumerate(zip(kept, received, strict=False), start=1):
            if got.completion["status"] != RxStatus.OK:
                if got.frame != frame.data:
                    return f"oracle: frame {number} to the host was not opened, but changed"
            elif not self._is_opened(frame.data, got):
                return (f"oracle: frame {number} to the host is not the decryption of what came "
                        f"under SA {got.completion['sa']}")
            else:
                self.opened += 1
        return None

    def _is_opened(self, frame: bytes, got: Received) -> bool:
        place = int(SaDirection.RX), got.completion["sa"]
        packet = _esp_packet(frame)
        if packet is None:
            return False
        start, end = packet
        for added in reversed(self.added[place]):
            highs = self._highs(place) if added["esn"] else {0}
            for high in highs:
                text = esp.open_packet(added, frame[start:end], high)
                if text is not None:
                    self.highs[place].add(high)
                    at = start + esp.HEADER_BYTES
                    return got.frame == frame[:at] + text + frame[at + len(text):]
        return False

    def _highs(self, place: tuple[int, int]) -> set[int]:
        """High halves to try: those known, and their neighbours."""
        return {(high + step) % (1 << 32) for high in self.highs[place] for step in (0, 1, -1)}

    def judge_sent(
        self, requests: Sequence[TxFrame], verdicts: Sequence[Sequence[int]],
        sent: Sequence[bytes],
    ) -> str | None:
        """The first fault of the frames on the wire, in one line; None if there is none.

        ``verdicts`` are the statuses of the frames of each request, as far as they were judged.
        """
        for number, frame in enumerate(sent, start=1):
            if MARK in frame:
                return f"oracle: frame {number} on the wire has clear bytes that were to be sealed"
        leaving = iter(sent)
        for number, (request, statuses) in enumerate(zip(requests, verdicts, strict=False), 1):
            wants = request.descriptor.get("operation") == TxOperation.ENCRYPT
            for segment, status in enumerate(statuses):
                if status > TxStatus.BYPASSED:
                    continue
                if wants != (status == TxStatus.SEALED):
                    return f"oracle: request {number} has status {TxStatus(status).name}"
                left = next(leaving, None)
                if left is None:  # a reset came before it left
                    return None
                if wants and (problem := self._judge_sealed(request, segment, left)):
                    return f"oracle: request {number}, frame {segment + 1} on the wire: {problem}"
        return None

    def _judge_sealed(self, request: TxFrame, segment: int, frame: bytes) -> str | None:
        """Fault of a frame that left sealed; None if nothing is."""
        descriptor = request.descriptor
        number = descriptor["sequence"] + segment
        packet = frame[descriptor["esp_offset"]:]
        for added in self.added[int(SaDirection.TX), descriptor["sa"]]:
            if esp.open_packet(added, packet, number >> 32) is None:
                continue
            if int.from_bytes(packet[4:8], "big") != number & 0xFFFFFFFF:
                return "another sequence number"
            self.authentic += 1
            used = esp.key(added), esp.nonce(added, packet[8:16])
            if not added["unguarded"] and used in self.sealed:
                return "key and IV for the second time"
            self.sealed.add(used)
            return None
        return "not authentic"


def commands_of(scene: Scene) -> list[Mapping[str, int]]:
    """All commands of a scene."""
    return [*scene.commands, *(values for _, values in scene.meanwhile)]


def _esp_packet(frame: bytes) -> tuple[int, int] | None:
    """Where the ESP packet of a frame begins and ends; None when there is none."""
    at = 12
    if frame[at:at + 2] == b"\x81\x00":
        at += 4
    version = _ETHERTYPES.get(frame[at:at + 2])
    at += 2
    if version == 4:
        end = at + int.from_bytes(frame[at + 2:at + 4], "big")
        protocol, at = frame[at + 9], at + 20
    elif version == 6:
        end = at + 40 + int.from_bytes(frame[at + 4:at + 6], "big")
        protocol, at = frame[at + 6], at + 40
    else:
        return None
    if protocol == _UDP:
        end, at = at + int.from_bytes(frame[at + 4:at + 6], "big"), at + 8
    elif protocol != _ESP:
        return None
    return at, end
