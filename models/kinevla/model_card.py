"""The README of a checkpoint: what it is, its data and cost, how well it does, its limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def model_card(training: Mapping[str, Any], parameters: int, goal_codes: int = 2, moments: int = 0) -> str:
    """Return the model card as Markdown.

    Args:
        training: figures in sections 'policy', 'data', 'tasks' and, if measured, 'closed_loop'.
        goal_codes: how many of a chunk's codes, the first ones, are goal codes.
        moments: how many earlier plans it remembers.
    """
    memory = (
        f"It remembers the robot's states at its last {moments} plans of an instruction, and no pictures"
        if moments
        else "It has no memory: every chunk follows from present images, present joints and the sentence"
    )
    policy, data = (training.get(key, {}) for key in ("policy", "data"))
    parts = [
        "# KineVLA nano for the Realman RM75 (simulated)",
        f"A bi-level vision-language-action policy after KineVLA (arXiv 2603.17524): {parameters / 1e6:.1f} "
        "M trained weights on top of pretrained encoders that come by pip (EfficientNet-Lite0 for pictures, "
        "MiniLM for the sentence). A Llama-type decoder writes goal reasoning, goal codes, kinematics "
        "reasoning, kinematics codes. The codes are chosen without sight of the sentence, from what is "
        "written and seen, and become 5 absolute joint targets, 0.1 s apart.",
        "## Instructions it was taught",
        "\n".join(f"- {text}" for text in training.get("tasks", [])),
        "Other wordings are read by the pretrained encoder; a sentence that is not understood is refused, "
        "and the refusal says what was not understood.",
        "## Training data",
        f"- {data.get('episodes', 0)} scripted demonstrations, {data.get('frames', 0)} frames at 10 Hz, "
        f"{data.get('noisy_episodes', 0)} of them with disturbances and recoveries; "
        "a tenth of the episodes held out. No keypoints, poses or task numbers.",
        "## Cost",
        f"{policy.get('minutes', 0.0):.1f} minutes ({policy.get('step', 0)} steps of "
        f"{training.get('batch_size', 0)} samples) on {training.get('threads', 1)} CPU thread(s).",
        "## Held-out figures",
        _figures(policy, goal_codes),
    ]
    closed_loop = training.get("closed_loop")
    if closed_loop:
        parts += ["## Closed loop in the simulator", _closed_loop(closed_loop)]
    parts += [
        "## Limits",
        "- Trained and measured in simulation only. Nothing is known about a real arm; do not run it on one "
        "without supervision.\n"
        "- It was taught the instructions above, each with its own thing on the table.\n"
        f"- {memory}.\n"
        "- Frame-wise figures say little about success; success is what a closed-loop evaluation measures.",
        "## Licence of the texts",
        "Task texts: KineVLA, arXiv 2603.17524, Tables 5-7, CC BY 4.0.",
    ]
    return "\n\n".join(parts) + "\n"


def _figures(policy: Mapping[str, Any], goal_codes: int) -> str:
    codes = sum(1 for key in policy if re.fullmatch(r"code\d_accuracy", key))  # of forty bins the first nine
    rows = [
        ("reasoning_accuracy", "reasoning ids predicted correctly", "{:.3f}"),
        ("texts_right", "texts written without a wrong word", "{:.3f}"),
        *((f"code{n}_accuracy", _code_name(n, goal_codes), "{:.3f}") for n in range(1, codes + 1)),
        ("joint_l1_mrad", "joint error of the decoded chunk, mean, mrad", "{:.1f}"),
        ("joint_l1_tokenizer_mrad", "the same with perfect codes (tokenizer's share), mrad", "{:.1f}"),
        ("gripper_l1", "gripper error, mean, 0..1", "{:.4f}"),
    ]
    lines = [f"| {text} | {form.format(policy[key])} |" for key, text, form in rows if key in policy]
    return "\n".join(["| figure | value |", "|---|---|", *lines])


def _code_name(number: int, goal_codes: int) -> str:
    level, stage = ("goal", number) if number <= goal_codes else ("kinematics", number - goal_codes)
    return f"{level} code {stage} equals the demonstration's"


def _closed_loop(closed_loop: Mapping[str, Any]) -> str:
    lines = ["| task | trials | goal reached | goal reached as instructed |", "|---|---|---|---|"]
    for row in closed_loop.get("tasks", []):
        lines.append(f"| {row['instruction']} | {row['trials']} | {row['goal']} | {row['kinematics']} |")
    return "\n".join([*lines, "", str(closed_loop.get("note", ""))])
