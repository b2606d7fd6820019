"""Driver of the Realman RM75: plain Python logic and one thin ROS 2 node."""

from __future__ import annotations

__all__: list[str] = []
