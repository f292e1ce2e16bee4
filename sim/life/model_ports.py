"""The packet ports of the model's device, for ``sim.life.story``."""

from collections.abc import Sequence

from espnic.model.device.device import Device
from espnic.model.host.stack import Request
from espnic.sim.life.story import Action
from espnic.sim.traffic.steps import Received


class ModelPorts:
    """Ports at which every frame is done before the next.

    ``turns`` says of each action that is done among frames how many came before it.
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
