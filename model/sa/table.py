"""The device's tables of SAs, by handle and by look-up key (RFC 4301, 4.4.2)."""

from collections.abc import Mapping
from dataclasses import replace

from espnic.model.interface.codes import Encapsulation, SaDirection, SaResult, SaSelect
from espnic.model.net.addresses import Address
from espnic.model.sa.lifetime import HARD_FIELDS, SOFT_FIELDS, Lifetime
from espnic.model.sa.sa import SecurityAssociation


class SaTable:
    """The device's SAs of one direction, by handle and, in a receive table, by look-up key.

    Handles are 1 to ``size - 1``; 0 means none. Only a receive table looks SAs
    up, so only there a second SA of the same destination, protocol and SPI is refused.

    No packet finds a deleted SA, and its look-up key is free. But its handle stays taken
    until it is freed, so that packets in flight never meet another SA under their handle.

    The commands return a ``SaResult``, the first of these that applies:

    - EINVAL: handle 0 or not below ``size``; modify of nothing, or of ESN in a transmit table;
    - ENOENT: the handle is not taken, or (delete, modify) its SA is deleted;
    - EBUSY (free): the SA is not deleted;
    - EINVAL (modify ESN): the SA has no ESN, or the device keeps its replay window;
    - EEXIST (add): the handle is taken, or the look-up key is.

    Two results of the hardware never come here. ENOSPC: the hardware's look-up table may have no
    place for a look-up key although handles are free; this one always has a place. EBUSY because
    of packets in flight: here no packet is in flight.
    """

    def __init__(self, size: int, direction: SaDirection = SaDirection.RX) -> None:
        self.size = size
        self.direction = direction
        self._sas: dict[int, SecurityAssociation] = {}
        self._lifetimes: dict[int, Lifetime] = {}
        self._deleted: set[int] = set()
        self._handles: dict[tuple[Address, Encapsulation, int], int] = {}

    @property
    def empty(self) -> bool:
        """Whether a receive table has no SA that a look-up can find."""
        return not self._handles

    def add(self, handle: int, sa: SecurityAssociation) -> SaResult:
        """Take ``sa`` under a free handle; its lifetime begins."""
        if not self._in_range(handle):
            return SaResult.EINVAL
        if handle in self._sas:
            return SaResult.EEXIST
        if self.direction == SaDirection.RX:
            if self._key(sa) in self._handles:
                return SaResult.EEXIST
            self._handles[self._key(sa)] = handle
        self._sas[handle] = sa
        self._lifetimes[handle] = Lifetime(sa.limits)
        return SaResult.OK

    def delete(self, handle: int) -> SaResult:
        """Let no packet find an SA any more."""
        result = self._check_in_use(handle)
        if result == SaResult.OK:
            self._deleted.add(handle)
            self._handles.pop(self._key(self._sas[handle]), None)
        return result

    def free(self, handle: int) -> SaResult:
        """Forget a deleted SA; its handle is free again."""
        result = self._check_taken(handle)
        if result == SaResult.OK and handle not in self._deleted:
            result = SaResult.EBUSY
        if result == SaResult.OK:
            self._deleted.remove(handle)
            del self._sas[handle], self._lifetimes[handle]
        return result

    def flush(self) -> None:
        """Forget every SA."""
        for kept in (self._sas, self._lifetimes, self._deleted, self._handles):
            kept.clear()

    def modify(self, handle: int, select: SaSelect, values: Mapping[str, int]) -> SaResult:
        """Change the selected fields of an SA, all at once or none.

        ``values`` are fields of SA_COMMAND; those not given are 0.
        """
        if self.refuses(select):
            return SaResult.EINVAL
        result = self._check_in_use(handle)
        if result != SaResult.OK:
            return result
        sa, lifetime = self._sas[handle], self._lifetimes[handle]
        if SaSelect.ESN in select:
            if not sa.esn or sa.device_window:
                return SaResult.EINVAL
            self._sas[handle] = replace(
                sa, esn_high=values.get("esn_high", 0),
                esn_overlap=bool(values.get("esn_overlap", 0)))
        for group, names in ((SaSelect.SOFT, SOFT_FIELDS), (SaSelect.HARD, HARD_FIELDS)):
            if group in select:
                changed = {name: values.get(name, 0) for name in names}
                lifetime.limits = replace(lifetime.limits, **changed)
        return SaResult.OK

    def refuses(self, select: SaSelect) -> bool:
        """Whether no SA of the table can be modified so."""
        return not select or SaSelect.ESN in select and self.direction == SaDirection.TX

    def read(self, handle: int) -> tuple[SaResult, SecurityAssociation | None]:
        """The SA of a handle, deleted or not; None unless the result is OK."""
        result = self._check_taken(handle)
        return result, self._sas.get(handle) if result == SaResult.OK else None

    def get(self, handle: int) -> SecurityAssociation | None:
        """The SA of a handle as the datapath reads it; None for a handle that is not in use."""
        return None if handle in self._deleted else self._sas.get(handle)

    def in_use(self) -> dict[int, SecurityAssociation]:
        """The SAs that the datapath can find, by handle."""
        return {handle: sa for handle, sa in self._sas.items() if handle not in self._deleted}

    def lifetime(self, handle: int) -> Lifetime:
        """The lifetime of the SA of a taken handle. Raises ``KeyError`` for any other handle."""
        return self._lifetimes[handle]

    def look_up(self, destination: Address, encapsulation: Encapsulation, spi: int) -> int:
        """Handle of the SA with this look-up key, 0 when there is none."""
        return self._handles.get((destination, encapsulation, spi), 0)

    @staticmethod
    def _key(sa: SecurityAssociation) -> tuple[Address, Encapsulation, int]:
        return sa.destination, sa.encapsulation, sa.spi

    def _in_range(self, handle: int) -> bool:
        return 1 <= handle < self.size

    def _check_taken(self, handle: int) -> SaResult:
        if not self._in_range(handle):
            return SaResult.EINVAL
        return SaResult.OK if handle in self._sas else SaResult.ENOENT

    def _check_in_use(self, handle: int) -> SaResult:
        result = self._check_taken(handle)
        return SaResult.ENOENT if handle in self._deleted else result
