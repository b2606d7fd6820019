"""Training of the policy: losses, cached features, the loop, model card and command line."""

from __future__ import annotations
