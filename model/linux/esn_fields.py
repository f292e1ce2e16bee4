"""ESN fields in the device, kept in step with the windows that software keeps."""

from espnic.model.esp import esn
from espnic.model.esp.esn import EsnState
from espnic.model.interface.codes import SaOperation, SaSelect
from espnic.model.linux.commands import Commands
from espnic.model.linux.places import Place
from espnic.model.linux.told_esn import ToldEsn
from espnic.model.linux.xfrm import XfrmState
from espnic.model.sa.sa import command_values


class EsnFields:
    """The ESN fields that the device has, and their changes that are put off.

    Only receive SAs with ESN whose window software keeps are in it: the device moves its own
    windows itself, and a transmit SA's descriptors carry the whole number.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._told: dict[Place, ToldEsn] = {}
        """Fields given to the device."""
        self._work: dict[Place, XfrmState] = {}
        """SAs whose fields in the device may have to change."""

    def clear(self) -> None:
        """Forget all SAs."""
        self._told.clear()
        self._work.clear()

    def forget(self, place: Place) -> None:
        """Forget what the device was told of an SA."""
        self._told.pop(place, None)

    def drop_work(self, place: Place) -> None:
        """Leave out the change that an SA waits for."""
        self._work.pop(place, None)

    def added(self, place: Place, state: EsnState) -> None:
        """Note that the device has taken an SA with these fields."""
        self._told[place] = ToldEsn(state)

    def moved(self, x: XfrmState, place: Place) -> None:
        """Note that the window of an SA has moved; this touches no register."""
        told = self._told.get(place)
        if told and told.state != esn.driver_state(x.window.top, x.replay_window):
            self._work[place] = x

    def agrees(self, x: XfrmState, place: Place, sequence_low: int) -> bool:
        """Whether the device has opened a frame under the number that the stack takes for it."""
        told = self._told.get(place)
        return told is None or told.agrees(x.window, sequence_low)

    async def run_work(self) -> None:
        """Tell the device the changes that were put off."""
        while self._work:
            place, x = self._work.popitem()
            state = esn.driver_state(x.window.top, x.replay_window)
            if self._told[place].state != state:
                await self._tell(x, place, state)

    async def _tell(self, x: XfrmState, place: Place, state: EsnState) -> None:
        """Change the ESN fields only; if that fails, the device goes on with the old ones."""
        await self._commands.run(
            command_values(SaOperation.MODIFY, *place) | {
                "select": int(SaSelect.ESN), "esn_high": state.high,
                "esn_overlap": int(state.overlap)}, "change ESN", gone_is_good=True)
        self._told[place].change(state, x.window.top)
