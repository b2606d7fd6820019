"""Errors of the towers on held-out views, in pixels and millimetres."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kinevla.backbone.vision_backbone import VisionBackbone
from kinevla.vision.samples import KeypointSamples

_BATCH = 50
_CLOSE_PX = 2.0


@torch.inference_mode()
def _look(backbone: VisionBackbone, samples: KeypointSamples) -> tuple[np.ndarray, np.ndarray]:
    """Return keypoints (N, C, 2, K, 3) and points (N, K, 4) of all samples."""
    keypoints, points = [], []
    for start in range(0, len(samples), _BATCH):
        index = np.arange(start, min(start + _BATCH, len(samples)))
        features = backbone(samples.images(index), torch.from_numpy(samples.state[index]))
        keypoints.append(features.keypoints.numpy())
        points.append(features.points.numpy())
    return np.concatenate(keypoints), np.concatenate(points)


def evaluate_keypoints(backbone: VisionBackbone, samples: KeypointSamples) -> dict[str, Any]:
    """Report per camera and keypoint: pixel error of tower one, share within 2 px, visibility."""
    seen, _ = _look(backbone, samples)
    size = backbone.config.image_size
    report: dict[str, Any] = {}
    for camera, camera_name in enumerate(backbone.config.cameras):
        for index, name in enumerate(backbone.config.keypoints):
            visible = samples.visible[:, camera, index]
            pixels = (seen[:, camera, 0, index, :2] + 1) / 2 * size - 0.5
            error = np.linalg.norm(pixels - samples.keypoints_px[:, camera, index], axis=-1)[visible]
            agreed = (seen[:, camera, 0, index, 2] > 0.5) == visible
            report[f"{camera_name}/{name}"] = {
                "visible_samples": int(visible.sum()),
                "median_px": float(np.median(error)) if len(error) else None,
                "mean_px": float(error.mean()) if len(error) else None,
                "within_2px_percent": float((error < _CLOSE_PX).mean() * 100) if len(error) else None,
                "visibility_accuracy_percent": float(agreed.mean() * 100),
            }
    return report


def evaluate_points(backbone: VisionBackbone, samples: KeypointSamples) -> dict[str, Any]:
    """Report per keypoint the error in space in millimetres, where positions are known."""
    _, points = _look(backbone, samples)
    report: dict[str, Any] = {}
    for index, name in enumerate(backbone.config.keypoints):
        known = np.isfinite(samples.points_m[:, index]).all(-1) & samples.visible[:, :, index].any(-1)
        error_mm = np.linalg.norm(points[known, index, :3] - samples.points_m[known, index], axis=-1) * 1e3
        if len(error_mm):
            report[name] = {
                "samples": len(error_mm),
                "median_mm": float(np.median(error_mm)),
                "p90_mm": float(np.percentile(error_mm, 90)),
            }
    return report
