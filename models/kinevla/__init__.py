"""KineVLA: bi-level vision-language-action policies for kinematics-rich instructions.

Importing the package itself loads nothing heavy; every sub-package names its own public surface.
"""

from __future__ import annotations

__version__ = "0.1.0"
