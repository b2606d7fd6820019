"""Training: one engine, its stages, and what they learn from: data, losses, settings."""
