"""`make demo`: one sentence moves the simulated arm, through every part of the stack, and is filmed.

ROS 2, the vendor's SDK and its TCP/UDP protocol are real; the controller is emulated, the arm simulated.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from kine_sim.tasks import TASKS
from kinevla.text.language import LanguageError, parse_sentence
from kinevla_policy.demo_client import DemoClient, StackError
from kinevla_policy.demo_film import FRAMES_PER_S, FilmFrame, write_gif, write_mp4
from kinevla_policy.folder_lock import only_run_in
from kinevla_policy.free_ports import free_tcp_port
from kinevla_policy.stack_process import StackProcess


@dataclass(frozen=True)
class DemoArgs:
    """Options of the demonstration.

    Attributes:
        task: scene and default instruction, 1..7.
        say: any sentence of the language; its own table is laid out, and the judge goes by it.
        seed: placement, light and colours of the scene.
        instruction: another sentence for the same scene; empty: the task's own. It is what the judge goes by
            where it is one of the seven and about the scene's object.
        checkpoint: folder of the policy; empty: the shipped one.
        policy_config, driver_config: parameter files of these nodes; empty: their own.
        out: folder for the film, the record of the traffic and the logs.
        timeout_s: the instruction is stopped after this time.
        gif: also write a GIF.
    """

    task: int = 5
    say: str = ""
    seed: int = 1
    instruction: str = ""
    checkpoint: str = ""
    policy_config: str = ""
    driver_config: str = ""
    out: Path = Path("demo_output")
    timeout_s: float = 60.0
    gif: bool = True


@dataclass
class Run:
    """What happened."""

    instruction: str
    frames: list[FilmFrame]
    chunks: int
    goal: str
    kinematics: str
    ended: str
    verdict: dict
    latency_s: float


def follow(
    client: DemoClient, stack: StackProcess, instruction: str, timeout_s: float, console: Console
) -> Run:
    """Enable the arm, give the instruction, film until it ends, ask the judge."""
    client.wait_for("both camera images", lambda: len(client.images) == 2, 90.0, stack.alive)
    client.wait_for("the joint states", lambda: client.joint_states, 60.0, stack.alive)
    client.wait_for(
        "the policy",
        lambda: client.diagnostic("kinevla: policy").get("message") == "idle",
        120.0,
        stack.alive,
    )
    client.enable()
    answer = client.instruct(instruction, patience_s=15.0)
    if not answer.accepted:
        raise StackError(f"the instruction was refused: {answer.message}")
    started_s = time.monotonic()
    frames: list[FilmFrame] = []
    ended = ""
    with console.status("the arm is moving ...") as status:
        while not ended:
            now_s = time.monotonic() - started_s
            plan = client.plans[-1] if client.plans else None
            note = f"{now_s:4.1f} s   chunk {len(client.plans)}"
            if plan:
                note += f"   codes {list(plan.goal_codes)} {list(plan.kinematics_codes)}"
                note += f"   {plan.latency_total_s * 1e3:.0f} ms"
                note += "   reasoning checked and kept" if plan.reasoning_state else "   reasoning new"
            frames.append(
                FilmFrame(
                    now_s,
                    client.images["front"].copy(),
                    client.images["wrist"].copy(),
                    instruction,
                    plan.goal_reasoning if plan else "",
                    plan.kinematics_reasoning if plan else "",
                    note,
                )
            )
            status.update(f"the arm is moving ... {note}")
            state = client.diagnostic("kinevla: policy")
            if state.get("message") == "idle" and state.get("instruction id") == str(answer.instruction_id):
                ended = state.get("last instruction ended", "") or ""
            if now_s > timeout_s and not ended:
                client.trigger("/kinevla/stop")
                ended = f"stopped after {timeout_s:.0f} s"
            if not stack.alive():
                raise StackError("the stack ended while the arm was moving")
            time.sleep(max(0.0, len(frames) / FRAMES_PER_S - (time.monotonic() - started_s)))
    time.sleep(0.5)  # things come to rest
    last = client.plans[-1] if client.plans else None
    latencies = sorted(plan.latency_total_s for plan in client.plans) or [0.0]
    return Run(
        instruction,
        frames,
        len(client.plans),
        last.goal_reasoning if last else "(none)",
        last.kinematics_reasoning if last else "(none)",
        ended,
        client.verdict(),
        latencies[len(latencies) // 2],
    )


def judged_task(task: int, instruction: str) -> int:
    """The task, 1..7, whose sentence this is; `task` for other words or another object than its scene's.

    The scenes of the tasks with one object are the same for a seed: only what is asked for differs.
    """
    said = " ".join(instruction.lower().split())
    for other in TASKS:
        if other.instruction == said and other.object == TASKS[task - 1].object:
            return other.number
    return task


def report(run: Run, film: Path, console: Console) -> None:
    """Print what a reader of the terminal wants to know."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    verdict = run.verdict
    end = verdict.get("object_end_xy_m") or ()
    word = {True: "yes", False: "no"}
    table.add_row("Instruction", run.instruction)
    table.add_row("Goal reasoning", run.goal)
    table.add_row("Kinematics reasoning", run.kinematics)
    table.add_row(
        "Chunks sent", f"{run.chunks} (5 joint targets each; median {run.latency_s * 1e3:.0f} ms to plan one)"
    )
    table.add_row("Ended", run.ended)
    if end:
        table.add_row(
            "Object ended at",
            ", ".join(f"{axis} = {value:+.3f} m" for axis, value in zip("xy", end, strict=False)),
        )
    table.add_row(
        "Judge's verdict",
        f"goal: {word[bool(verdict['goal_success'])]}, "
        f"kinematics: {word[bool(verdict['kinematics_success'])]}",
    )
    for reason in verdict.get("reasons", ()):
        table.add_row("", f"- {reason}")
    table.add_row("Film", str(film))
    console.print(table)


def main() -> None:
    """Run the demonstration; exit code 1 when the stack failed, whatever the judge says."""
    args = tyro.cli(DemoArgs, description=__doc__)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    if not 1 <= args.task <= len(TASKS):
        sys.exit(f"demo: task {args.task} is outside 1..{len(TASKS)}")
    if args.say and args.instruction:
        sys.exit("demo: say lays out a table of its own, and is the instruction: give one of the two")
    if args.say:
        try:
            parse_sentence(args.say)
        except LanguageError as error:
            sys.exit(f"demo: {args.say!r}: {error}")
    out = args.out.expanduser().resolve()
    try:
        with only_run_in(out):
            demonstrate(args, out)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"demo: {error}")


def demonstrate(args: DemoArgs, out: Path) -> None:
    """Start the stack, run the instruction, write the results to `out` and print the report."""
    console = Console(width=120 if not sys.stdout.isatty() else None)
    instruction = args.say or args.instruction or TASKS[args.task - 1].instruction
    task = judged_task(args.task, instruction)
    options = ["--sim", "--robot-port", str(free_tcp_port()), "--task", str(task), "--seed", str(args.seed)]
    options += ["--scene-for", args.say] if args.say else []
    options += ["--frame-log", str(out / "controller_traffic.jsonl")]
    if args.checkpoint:
        options += ["--checkpoint", args.checkpoint]
    for node, file in (("policy", args.policy_config), ("driver", args.driver_config)):
        if file:
            options += [f"--{node}-config", file]
    console.print(f"Starting simulator, driver and policy (log: {out / 'stack.log'})")
    with StackProcess(options, out / "stack.log") as stack:
        client = DemoClient(stack_id=stack.stack_id)
        try:
            run = follow(client, stack, instruction, args.timeout_s, console)
        except StackError as error:
            console.print(f"[red]demo: {error}[/red]\n{stack.tail()}", highlight=False)
            sys.exit(1)
        except KeyboardInterrupt:
            console.print("interrupted; ending all nodes")
            sys.exit(130)
        finally:
            client.close()
    film = write_mp4(run.frames, out / "demo.mp4")
    if args.gif:
        write_gif(run.frames, out / "demo.gif")
    (out / "verdict.json").write_text(json.dumps(run.verdict, indent=2))
    report(run, film, console)


if __name__ == "__main__":
    main()
