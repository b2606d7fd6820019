"""What all tests share: those that run in real time are tried again before they count as failed."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
# Nodes, SDK, controller and simulator as processes beside each other: on a computer that is busy with other
# things any deadline can be missed. What is wrong fails three times; the report names what was tried again.
REAL_TIME = (
    "ros2_ws/src/kine_cameras",
    "ros2_ws/src/kine_console",
    "ros2_ws/src/kine_relay",
    "ros2_ws/src/kine_sim/test/controller",
    "ros2_ws/src/kine_sim/test/test_live.py",
    "ros2_ws/src/kine_teleop",
    "ros2_ws/src/kinevla_policy",
    "ros2_ws/src/realman_driver",
    "tests/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run in real time."""
    for item in items:
        if item.path.is_relative_to(ROOT) and item.path.relative_to(ROOT).as_posix().startswith(REAL_TIME):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what was tried again and why: a test that passes the second time hides its first failure."""
    for report in terminalreporter.getreports("rerun"):
        crash = getattr(report.longrepr, "reprcrash", None)
        terminalreporter.write_line(f"TRIED AGAIN {report.nodeid}: {crash or report.longrepr}")
