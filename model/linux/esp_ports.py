"""The UDP ports to which the device receives ESP."""

import errno

from espnic.model.interface.codes import ESP_PORTS, UDP_PORT_ESP, SaDirection
from espnic.model.linux.commands import Commands
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.hardware import errnos
from espnic.model.linux.places import Places
from espnic.model.linux.xfrm import Direction, XfrmState


class EspPorts:
    """The ports of the receive SAs, as many as the device has registers for; 4500 always."""

    def __init__(self, commands: Commands, places: Places) -> None:
        self._commands = commands
        self._places = places
        self._ports = [UDP_PORT_ESP]

    async def set_locked(self) -> None:
        """Give the device the ports, which a reset has taken away."""
        await self._commands.hardware.set_esp_ports(self._ports)

    async def open_for(self, x: XfrmState) -> None:
        """Let the device receive ESP in UDP to the port of a receive SA.

        A port that no SA has any more makes room. Raises ``LinuxError`` EOPNOTSUPP without room.
        """
        if x.encap is None or x.direction == Direction.OUT:
            return
        port = x.encap.destination_port
        if port in self._ports:
            return
        used = {UDP_PORT_ESP, *(
            other.encap.destination_port
            for (side, _handle), other in self._places.states.items()
            if other.encap and side == SaDirection.RX)}
        ports = [kept for kept in self._ports if kept in used]
        if len(ports) == ESP_PORTS:
            raise LinuxError(errno.EOPNOTSUPP, f"UDP ports {ports} are in use, no room for {port}")
        async with self._commands.spinlock:
            with errnos("UDP ports"):
                await self._commands.hardware.set_esp_ports([*ports, port])
        self._ports = [*ports, port]
