"""The proof in short: which of what comes in large numbers is tried, so that another seed tries others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One in `every`, counted from `seed` on. With `every` 1 it is everything."""

    every: int = 1
    seed: int = 0

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.every == 1

    def takes(self, *places: int) -> bool:
        """Whether what stands at these places (first of its row, second of its column …) is tried."""
        return (sum(places) + self.seed) % self.every == 0

    def of[T](self, things: list[T], *places: int) -> list[T]:
        """One in `every` of a list, in order; of a shorter one at least one."""
        taken = [thing for number, thing in enumerate(things) if self.takes(number, *places)]
        return taken or things[(self.seed + sum(places)) % len(things) :][:1] if things else []


EVERYTHING = Sample()
