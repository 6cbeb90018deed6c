"""What a check says: which check, where, and what is wrong in words that name the thing and what was expected."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `check` is the name that the planted faults are matched with."""

    check: str
    where: str
    message: str

    def __str__(self):
        return f"{self.where}: {self.message} [{self.check}]"
