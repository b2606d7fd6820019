"""The README of a checkpoint: what it is, its data and cost, how well it does, its limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any


def model_card(
    training: Mapping[str, Any], parameters: int, known_words: Sequence[str], goal_codes: int = 2
) -> str:
    """Return the model card as Markdown.

    Args:
        training: figures in sections 'policy', 'vision', 'data', 'tasks' and, if measured, 'closed_loop'.
        parameters: number of weights.
        known_words: words an instruction may consist of.
        goal_codes: how many of a chunk's codes, the first ones, are goal codes.
    """
    policy, vision, data = (training.get(key, {}) for key in ("policy", "vision", "data"))
    parts = [
        "# KineVLA nano for the Realman RM75 (simulated)",
        f"A bi-level vision-language-action policy of {parameters / 1e6:.1f} M weights after KineVLA "
        "(arXiv 2603.17524): two image towers, a Llama-type decoder, one sequence of goal reasoning, goal "
        "codes, kinematics reasoning, kinematics codes; they become 5 absolute joint targets, 0.1 s apart.",
        "## Instructions it knows",
        "\n".join(f"- {text}" for text in training.get("tasks", [])),
        f"Other wordings may use these words only: {', '.join(known_words)}.",
        "## Training data",
        _data(data, vision),
        "## Cost",
        _cost(training, policy, vision),
        "## Held-out figures",
        _figures(policy, goal_codes),
        "## What the towers see (held-out views)",
        _vision(vision),
    ]
    closed_loop = training.get("closed_loop")
    if closed_loop:
        parts += ["## Closed loop in the simulator", _closed_loop(closed_loop)]
    parts += [
        "## Limits",
        "- The image towers were pretrained on rendered scenes of this simulator. They "
        "stand in for the DINOv2 and SigLIP towers of the paper's "
        "7 B model and know nothing of other objects, rooms or cameras.\n"
        "- Trained and measured in simulation only. Nothing is known about a real arm; do not run it on one "
        "without supervision.\n"
        "- It knows the instructions above and their objects; a sentence with other words is refused.\n"
        "- It has no memory: every chunk follows from present images, present joints and the sentence.\n"
        "- Frame-wise figures say little about success; success is what a closed-loop evaluation measures.",
        "## Licence of the texts",
        "Task texts: KineVLA, arXiv 2603.17524, Tables 5-7, CC BY 4.0.",
    ]
    return "\n\n".join(parts) + "\n"


def _data(data: Mapping[str, Any], vision: Mapping[str, Any]) -> str:
    lines = [
        f"- {data.get('episodes', 0)} scripted demonstrations, {data.get('frames', 0)} frames at 10 Hz, "
        f"{data.get('noisy_episodes', 0)} of them with disturbances and recoveries; "
        "a tenth of the episodes held out.",
        f"- {vision.get('views', 0)} rendered random views with known keypoints for the towers, and "
        f"{vision.get('demonstration_frames', 0)} frames of the demonstrations.",
    ]
    return "\n".join(lines)


def _cost(training: Mapping[str, Any], policy: Mapping[str, Any], vision: Mapping[str, Any]) -> str:
    return (
        f"Towers: {vision.get('minutes', 0.0):.1f} minutes ({vision.get('steps', 0)} steps). "
        f"Policy: {policy.get('minutes', 0.0):.1f} minutes ({policy.get('step', 0)} steps of "
        f"{training.get('batch_size', 0)} samples). "
        f"All on {training.get('threads', 1)} CPU thread(s), no GPU."
    )


def _figures(policy: Mapping[str, Any], goal_codes: int) -> str:
    codes = sum(1 for key in policy if re.fullmatch(r"code\d_accuracy", key))  # of forty bins the first nine
    rows = [
        ("reasoning_accuracy", "reasoning ids predicted correctly", "{:.3f}"),
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


def _vision(vision: Mapping[str, Any]) -> str:
    lines = ["| camera/keypoint | median px (of 128) | within 2 px % |", "|---|---|---|"]
    for name, item in vision.get("keypoints", {}).items():
        if item.get("median_px") is not None:
            lines.append(f"| {name} | {item['median_px']:.2f} | {item['within_2px_percent']:.0f} |")
    lines += ["", "| keypoint in space | median mm | 90 % below mm |", "|---|---|---|"]
    for name, item in vision.get("points", {}).items():
        lines.append(f"| {name} | {item['median_mm']:.1f} | {item['p90_mm']:.1f} |")
    return "\n".join(lines)


def _closed_loop(closed_loop: Mapping[str, Any]) -> str:
    lines = ["| task | trials | goal reached | goal reached as instructed |", "|---|---|---|---|"]
    for row in closed_loop.get("tasks", []):
        lines.append(f"| {row['instruction']} | {row['trials']} | {row['goal']} | {row['kinematics']} |")
    return "\n".join([*lines, "", str(closed_loop.get("note", ""))])
