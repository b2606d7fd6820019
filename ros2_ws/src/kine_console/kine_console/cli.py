"""`kine_console`: looks at recorded episodes with other viewers than the console's page."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import tyro

from kine_console.bag_view import BagError
from kine_console.rerun_view import RerunMissing, show


def rerun(bag: Annotated[Path, tyro.conf.Positional], save: Path | None = None) -> None:
    """Show a bag in Rerun.

    Args:
        bag: folder of the episode.
        save: write a file for `rerun FILE` instead of opening the viewer.
    """
    count = show(bag, save)
    print(f"{count} messages handed to {save if save is not None else 'the viewer'}")


def layout(file: Annotated[Path, tyro.conf.Positional] = Path("kinevla_foxglove.json")) -> None:
    """Write the layout for Foxglove, to be opened there with 'Import from file'.

    Args:
        file: where to.
    """
    shutil.copyfile(Path(__file__).parent / "data" / "foxglove.json", file)
    print(f"{file}: in Foxglove choose Layouts, Import from file")


def main() -> None:
    """Run a subcommand; exit code 1 with one line when it cannot be done."""
    try:
        tyro.extras.subcommand_cli_from_dict({"rerun": rerun, "layout": layout}, description=__doc__)
    except (BagError, RerunMissing, OSError) as error:
        print(f"kine_console: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
