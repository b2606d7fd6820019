"""Which instructions are taken: what is understood, and not faster than a person speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class InstructionGate:
    """Checks text, and refuses what comes too soon after the last accepted instruction.

    A flood would otherwise replace each instruction before its first chunk is planned.

    Args:
        check: returns the normalised text, or raises ValueError with the reason; told whether something else
            keeps the instruction from beginning anyway.
        min_interval_s: shortest time between two accepted instructions.
    """

    def __init__(self, check: Callable[[str, bool], str], min_interval_s: float) -> None:
        self._check, self._min_interval_s = check, min_interval_s
        self._last_s: float | None = None

    def admit(self, text: str, now_s: float, obstacles: Sequence[str] = ()) -> str:
        """Return the normalised text.

        Args:
            text: as it was given.
            now_s: monotonic time.
            obstacles: what else keeps an instruction from beginning now.

        Raises:
            ValueError: what is wrong with it, how much too soon it comes, or what stands in its way.
        """
        since_s = None if self._last_s is None else now_s - self._last_s
        if since_s is not None and since_s < self._min_interval_s:
            raise ValueError(
                f"the last instruction came {since_s:.2f} s ago, at least {self._min_interval_s:.2f} s apart"
            )
        checked = self._check(text, bool(obstacles))
        if obstacles:
            raise ValueError("; ".join(obstacles))
        self._last_s = now_s
        return checked
