"""A measurement as text, as plain values and as a figure."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from kinevla.bench.measure import PHASES, Figures

_KINDS = ("prefill", "verify", "decode", "read")
_COLOURS = ("#b0b0b0", "#0072b2", "#56b4e9", "#009e73", "#d55e00", "#f0e442", "#cc79a7", "#e0e0e0")


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    machine: dict[str, Any] = {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_1min": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
    }
    if device.type == "cuda":
        machine |= {"gpu": torch.cuda.get_device_name(device), "cuda": torch.version.cuda}
    return machine


def as_values(figures: Figures, machine: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return everything as plain values for JSON."""
    return {"machine": machine, "settings": settings, **asdict(figures)}


def as_text(figures: Figures, machine: dict[str, Any], settings: dict[str, Any]) -> str:
    """Return tables in milliseconds."""
    where = machine.get("gpu") or f"{machine['cpu']}, {machine['threads']} of {machine['cores']} cores"
    told = ", answers dictated" if figures.dictated else ""
    lines = [
        f"{figures.subject}: {figures.parameters:,} parameters, {figures.observation_tokens} observation "
        f"tokens, {figures.text_tokens} reasoning ids{told}",
        f"{where}; torch {machine['torch']}; load {machine['load_1min']}; "
        + ", ".join(f"{name} {value}" for name, value in settings.items()),
        f"{figures.repetitions} plans of each kind in turn; median (p90) in ms",
        "",
        f"{'':<12}{'per chunk':>18}{'per action':>18}{'per pass':>18}"
        f"{'passes':>8}{'ids kept':>10}{'same':>9}",
    ]
    for name, row in figures.variants.items():
        cells = "".join(
            f"{f'{s.median * 1e3:.2f} ({s.p90 * 1e3:.2f})':>18}"
            for s in (row.chunk_s, row.action_s, row.pass_s)
        )
        same = f"{row.same_answer}/{figures.repetitions}"
        lines.append(f"{name:<12}{cells}{row.passes:>8.0f}{row.accepted_share:>10.0%}{same:>9}")
    lines += ["", f"{'one pass':<12}" + "".join(f"{kind:>18}" for kind in _KINDS)]
    for name, row in figures.variants.items():
        cells = "".join(
            f"{f'{s.median * 1e3:.2f} ({s.p90 * 1e3:.2f})':>18}"
            if (s := row.kind_s.get(kind))
            else f"{'-':>18}"
            for kind in _KINDS
        )
        lines.append(f"{name:<12}{cells}")
    lines += ["", f"{'in a chunk':<12}" + "".join(f"{phase:>15}" for phase in PHASES)]
    for name, row in figures.variants.items():
        lines.append(f"{name:<12}" + "".join(f"{row.phases_s[phase] * 1e3:>15.2f}" for phase in PHASES))
    lines.append("")
    for name, ratio in figures.ratios.items():
        lines.append(
            f"{name} is {ratio.value:.2f} times as fast per chunk as plain "
            f"(95 % {ratio.low:.2f} .. {ratio.high:.2f})"
        )
    return "\n".join(lines) + "\n"


def draw(figures: Figures, machine: dict[str, Any], path: Path) -> None:
    """Write a figure: one stacked bar per variant."""
    from matplotlib.figure import Figure

    names = list(figures.variants)
    plot = Figure(figsize=(8.0, 1.2 + 0.6 * len(names)), layout="constrained")
    axes = plot.subplots()
    left = [0.0] * len(names)
    for phase, colour in zip(PHASES, _COLOURS, strict=True):
        widths = [max(0.0, figures.variants[name].phases_s[phase] * 1e3) for name in names]
        axes.barh(names, widths, left=left, color=colour, label=phase)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for index, name in enumerate(names):
        note = f" {figures.variants[name].chunk_s.median * 1e3:.1f} ms"
        if name in figures.ratios:
            note += f" ({figures.ratios[name].value:.1f}x)"
        axes.text(left[index], index, note, va="center")
    axes.set_xlim(0.0, 1.25 * max(left))
    axes.invert_yaxis()
    axes.set_xlabel("ms per chunk (median)")
    where = machine.get("gpu") or f"{machine['cpu']}, {machine['threads']} threads"
    axes.set_title(f"{figures.subject} on {where}", fontsize="medium")
    axes.legend(loc="lower right", fontsize="small", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    plot.savefig(path, dpi=120)
