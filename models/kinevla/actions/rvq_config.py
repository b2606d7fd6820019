"""Sizes of the residual VQ-VAE, without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RvqVaeConfig:
    """Sizes of the network; nothing in it knows about a particular robot."""

    horizon: int = 5  # frames per chunk T
    dimensions: int = 8  # action dimensions D
    latent: int = 128  # latent dimensions d
    hidden: int = 256  # width of encoder and decoder
    blocks: int = 2  # residual blocks in each of them
    goal_levels: int = 2  # codebooks in the goal stack
    kinematics_levels: int = 2  # codebooks in the kinematics stack; 0 makes a single-level residual VQ-VAE
    codebook_size: int = 256  # codes per codebook K
    commitment: float = 0.25  # weight beta of the commitment term
    ema_decay: float = 0.95  # decay of the codebooks' moving averages
    dead_code_threshold: float = 0.5  # a code whose smoothed use per batch falls below is replaced
    kmeans_iterations: int = 40  # iterations of the k-means that starts a codebook

    def __post_init__(self) -> None:
        for name in ("horizon", "dimensions", "latent", "hidden", "blocks", "goal_levels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.kinematics_levels < 0:
            raise ValueError(f"kinematics_levels must not be negative, got {self.kinematics_levels}")
        if self.codebook_size < 2:
            raise ValueError(f"codebook_size must be at least 2, got {self.codebook_size}")
        if not 0.0 < self.ema_decay < 1.0:
            raise ValueError(f"ema_decay must lie between 0 and 1, got {self.ema_decay}")

    @property
    def levels(self) -> int:
        """Codes per chunk."""
        return self.goal_levels + self.kinematics_levels
