"""Errors as the kernel's functions return them."""

import errno

_NAMES = dict(errno.errorcode) | {errno.EOPNOTSUPP: "EOPNOTSUPP"}
"""Names of the errnos. Python calls EOPNOTSUPP ENOTSUP, but the kernel's ENOTSUPP is another."""


def name_of(number: int) -> str:
    """The name of an errno, such as "EINVAL"."""
    return _NAMES[number]


class LinuxError(Exception):
    """A negative errno, with the words that go to the user beside it (extack).

    ``number`` is the errno, positive.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"-{name_of(number)}: {reason}")
        self.number = number
        self.reason = reason

    @property
    def name(self) -> str:
        """The errno's name, such as "EINVAL"."""
        return name_of(self.number)


def refuse_if(wrong: bool, number: int, reason: str) -> None:
    """Raise ``LinuxError`` if ``wrong``."""
    if wrong:
        raise LinuxError(number, reason)


class WrongRow(LinuxError):
    """EIO of a READ: a row of the SA is wrong. The driver writes the device's memories anew."""
