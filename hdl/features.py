"""What parts a build of the engine has: one definition for the model and the RTL."""

from model.features import ALL, SAS_MAX, SAS_MIN, WIDTHS, WINDOWS, Features

__all__ = ["ALL", "SAS_MAX", "SAS_MIN", "WIDTHS", "WINDOWS", "Features"]
