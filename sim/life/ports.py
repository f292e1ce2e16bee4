"""The packet ports at which the story is played, and those of the model's device."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from espnic.model.device.device import Device
from espnic.model.host.stack import Request
from espnic.sim.traffic.steps import Received

Action = Callable[[], Awaitable[None]]


class Ports(Protocol):
    """The packet ports of a device. All that goes in has its verdict before a call returns."""

    async def transmit(self, requests: Sequence[Request]) -> list[bytes]:
        """Give requests to the device; return the frames that leave for the wire."""
        ...

    async def receive(self, frames: Sequence[bytes]) -> list[Received]:
        """Give frames from the wire to the device; return what the host gets."""
        ...

    async def transmit_during(self, requests: Sequence[Request], action: Action) -> list[bytes]:
        """Transmit, and do the action, which lets requests be dropped, among the requests."""
        ...

    async def receive_during(self, frames: Sequence[bytes], action: Action) -> list[Received]:
        """Receive, and do the action, which lets frames miss their SA, among the frames."""
        ...


class ModelPorts:
    """Ports of the model's device, at which each frame is done before the next begins.

    ``turns`` has, for each action that is done among frames, the number of frames before it.
    """

    def __init__(self, device: Device, turns: Sequence[int]) -> None:
        self._device = device
        self._turns = list(turns)

    async def transmit(self, requests: Sequence[Request]) -> list[bytes]:
        return [frame for request in requests
                for frame in self._device.transmit(request.descriptor, request.frame).frames]

    async def receive(self, frames: Sequence[bytes]) -> list[Received]:
        results = [self._device.receive(frame) for frame in frames]
        return [Received(result.completion, result.frame)
                for result in results if result.frame is not None]

    async def transmit_during(self, requests: Sequence[Request], action: Action) -> list[bytes]:
        turn = self._turns.pop(0)
        before = await self.transmit(requests[:turn])
        await action()
        return before + await self.transmit(requests[turn:])

    async def receive_during(self, frames: Sequence[bytes], action: Action) -> list[Received]:
        turn = self._turns.pop(0)
        before = await self.receive(frames[:turn])
        await action()
        return before + await self.receive(frames[turn:])
