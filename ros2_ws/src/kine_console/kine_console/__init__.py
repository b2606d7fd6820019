"""Operator console in the browser: what the robot sees, thinks and does, and the commands behind a token."""
