"""Training: one engine, its stages, and what they learn from: data, losses, settings."""

from __future__ import annotations
