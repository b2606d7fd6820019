"""`kine`: asks the running robot for one thing, prints its answer in one line.

Exit codes: 0 done, 1 refused by the robot or a bad finding, 2 a mistyped command line, 3 nobody there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from kine_cli.commands import CALLS, Call, answer, granted
from kine_cli.robot import NotThere, Robot, domain
from kine_cli.status import lines
from kine_nodes.texts import printable
from kine_nodes.which_arm import SIMULATOR

REFUSED, NOBODY = 1, 3
MAX_ANSWER = 4000
DEADMAN_RATE_HZ = 20.0
GROUPS = {
    "record": "record demonstrations",
    "teleop": "lead the arm with another one",
    "relay": "chunks for another arm",
}


def call(this: Call, given: argparse.Namespace) -> int:
    """Call the command's service and print the answer."""
    name = " ".join(this.words)
    remark = f". {this.remark}" if this.remark else ""
    with Robot() as robot:
        try:
            response = robot.call(this.service, this.kind, this.request(given), given.wait, given.timeout)
        except NotThere as error:
            print(f"kine {name}: {error}{remark}", file=sys.stderr)
            return NOBODY
    text = printable(" ".join(answer(response).splitlines()), MAX_ANSWER)
    if granted(response) or this.finding:
        print(text)
        return 0 if granted(response) else REFUSED
    print(f"kine {name}: refused: {text}{remark}", file=sys.stderr)
    return REFUSED


def status(given: argparse.Namespace) -> int:
    """Listen for a moment and print what the robot says about itself."""
    with Robot() as robot:
        robot.listen(given.wait)
        names = {f"{space.rstrip('/')}/{name}" for name, space in robot.node.get_node_names_and_namespaces()}
        found = lines(robot.driver, robot.statuses, SIMULATOR in names)
    if not found:
        where = f"heard nothing for {given.wait:g} s in ROS domain {domain()}"
        print(f"kine status: {where}: is the stack running, in this domain?", file=sys.stderr)
        return NOBODY
    print("\n".join(found))
    return 0


def deadman(given: argparse.Namespace) -> int:
    """Hold the deadman of the teleoperation until Ctrl-C."""
    print("deadman held; Ctrl-C lets it go and stops the follower")
    with Robot() as robot:
        try:
            robot.hold_deadman(DEADMAN_RATE_HZ)
        except KeyboardInterrupt:
            print("deadman let go")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    waits = argparse.ArgumentParser(add_help=False)
    waits.add_argument("--wait", type=_seconds, default=5.0, help="s until the robot must be found (5)")
    waits.add_argument("--timeout", type=_seconds, default=120.0, help="s until it must have answered (120)")
    top = argparse.ArgumentParser(prog="kine", description=__doc__)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    groups = {}
    for name, text in GROUPS.items():
        group = commands.add_parser(name, help=text, description=text)
        groups[name] = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for this in CALLS:
        under = groups[this.words[0]] if len(this.words) > 1 else commands
        one = under.add_parser(this.words[-1], parents=[waits], help=this.help, description=this.help)
        for argument in this.arguments:
            one.add_argument(argument.name, **argument.flags)
        one.set_defaults(run=partial(call, this))
    text = "state of the arm and of every node"
    one = commands.add_parser("status", help=text, description=text)
    # Who comes anew into a ROS domain hears some nodes only after three seconds.
    one.add_argument("--wait", type=_seconds, default=5.0, help="s to listen (5)")
    one.set_defaults(run=status)
    text = "hold the deadman of the teleoperation until Ctrl-C"
    groups["teleop"].add_parser("deadman", help=text, description=text).set_defaults(run=deadman)
    return top


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 3600.0:
        raise argparse.ArgumentTypeError(f"{text} s, must be above 0 and at most 3600")
    return value


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    given = parser().parse_args(arguments)
    try:
        sys.exit(given.run(given))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
