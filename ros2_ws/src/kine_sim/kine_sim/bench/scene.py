"""A scene of KineBench: many things on one table, with the looks of the seven tasks' scenes."""

from __future__ import annotations

from dataclasses import dataclass

from kine_sim import layout
from kine_sim.bench.table import Laid, Table
from kine_sim.bench.things import THINGS, Thing
from kine_sim.scene import Placed, Rgb, SceneConfig

CUP = Thing(
    "distractor",
    0.0,
    2 * layout.DISTRACTOR_HALF_HEIGHT_M,
    ((0.0, 0.0, layout.DISTRACTOR_RADIUS_M),),
    (),
)
"""The cup that scenes may have and that the language does not know."""


@dataclass(frozen=True)
class BenchScene(SceneConfig):
    """A scene; `object` is the thing that is meant.

    Attributes:
        things: everything on the table besides the plate.
        thing_colours: colours (material, RGB) of their materials.
    """

    things: tuple[Placed, ...] = ()
    thing_colours: tuple[tuple[str, Rgb], ...] = ()

    @property
    def placed(self) -> tuple[Placed, ...]:
        """Everything that lies loose on the table."""
        return self.things

    @property
    def colours(self) -> dict[str, Rgb]:
        """Colours by material."""
        return {**super().colours, **dict(self.thing_colours)}

    @property
    def table(self) -> Table:
        """How everything lies at the start.

        Raises:
            ValueError: a scene without a plate.
        """
        if self.plate_xy_m is None:
            raise ValueError("a scene of the bench has a plate")
        return Table(
            {p.name: Laid(THINGS[p.name].scaled(p.scale), p.xy_m, p.yaw_rad) for p in self.things},
            self.plate_xy_m,
            () if self.distractor_xy_m is None else (Laid(CUP, self.distractor_xy_m, 0.0),),
        )
