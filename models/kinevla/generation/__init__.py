"""Sequence layout, constrained bi-level generation and reuse of the previous reasoning (Algorithm 1)."""
