"""What the page is told."""

from __future__ import annotations

import json
import math

from kine_console.health import MAX_STATUSES
from kine_console.state import JOINT_NAMES, MAX_EVENTS, MAX_PLANS, ConsoleState
from kine_console.suggestions import trained_instructions


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_viewer_gets_what_changed_since_it_looked_last():
    state = ConsoleState()
    state.put("services", {"enable": True})
    state.put("viewers", 1)
    seen, changed = state.changes(0)
    assert changed == {"services": {"enable": True}, "viewers": 1}
    state.put("viewers", 1)
    assert state.changes(seen) == (seen, {}), "the same value is no news"
    state.put("viewers", 2)
    newest, changed = state.changes(seen)
    assert newest > seen and changed == {"viewers": 2}


def test_values_that_are_missing_or_no_numbers_reach_the_page_as_null():
    state = ConsoleState()
    state.take_joints(["joint_1", "joint_2", "gripper"], [0.5, math.nan, math.inf])
    _, changed = state.changes(0)
    assert changed["joints"]["values"] == [0.5, None, None, None, None, None, None, None]
    json.dumps(changed, allow_nan=False)


def test_the_history_holds_a_minute_whatever_the_rate():
    clock = Clock()
    state = ConsoleState(clock)
    for _ in range(200 * 90):
        clock.now_s += 0.005
        state.take_joints(JOINT_NAMES, [0.0] * 8)
    rows = state.history()["joints"]
    assert 500 <= len(rows) <= 600
    assert clock.now_s - rows[-1][0] < 0.2
    for _ in range(1000):
        state.take_plan({"chunk_id": 1}, {"total": math.nan, "age": 0.1})
    assert len(state.history()["latencies"]) == MAX_PLANS
    json.dumps(state.history(), allow_nan=False)


def test_a_node_that_goes_stays_in_sight_as_gone_and_comes_back():
    state = ConsoleState()
    state.take_nodes({"/kinevla": "active", "/recorder": ""})
    state.take_nodes({"/recorder": ""})
    nodes = state.changes(0)[1]["nodes"]
    assert nodes["/kinevla"] == {"there": False, "lifecycle": ""}
    state.take_nodes({"/recorder": "", "/kinevla": "inactive"})
    assert state.changes(0)[1]["nodes"]["/kinevla"] == {"there": True, "lifecycle": "inactive"}


def test_the_drivers_state_is_shown_with_its_reason_and_who_moves_the_arm():
    state = ConsoleState(clock=lambda: 5.0)
    state.take_driver("ENABLED", "enabled on request", "kinevla")
    row = {"state": "ENABLED", "reason": "enabled on request", "source": "kinevla", "received_s": 5.0}
    assert state.changes(0)[1]["driver"] == row


def test_a_lost_link_and_a_node_that_died_leave_a_trace_with_the_reason():
    state = ConsoleState()
    for name, reason in (
        ("ENABLED", "enabled on request"),
        ("LOST", "no state for 0.200 s"),
        ("CONNECTED", ""),
    ):
        state.take_driver(name, reason, "")
        state.take_driver(name, reason, "")
    state.take_nodes({"/kinevla": "active"})
    state.take_nodes({})
    state.take_nodes({})
    lines = [(e["kind"], e["who"], e["what"], e["ok"]) for e in state.changes(0)[1]["events"]]
    assert lines == [
        ("arm", "driver", "ENABLED -> LOST", False),
        ("arm", "driver", "LOST -> CONNECTED", True),
        ("node", "kinevla", "node gone", False),
    ]
    assert "no state for 0.200 s" in state.changes(0)[1]["events"][0]["message"]


def test_refusals_and_drops_of_all_nodes_are_listed_and_other_figures_are_not():
    state = ConsoleState()
    values = {"chunks_refused": "3", "refused.velocity": "2", "frames_sent": "900", "missed_periods": "0"}
    state.take_status("realman_driver: arm", 0, "ENABLED", values)
    state.take_status("kinevla: policy", 1, "idle", {"front images refused": "7", "waited: no image": "x"})
    rows = [(r["count"], r["node"], r["what"]) for r in state.changes(0)[1]["counters"]]
    assert rows == [
        (7, "kinevla", "front images refused"),
        (3, "realman_driver", "chunks refused"),
        (2, "realman_driver", "refused.velocity"),
    ]


def test_whatever_is_published_the_state_stays_small():
    state = ConsoleState()
    for number in range(500):
        state.take_status(f"node {number}", 0, "x" * 10_000, {f"key {n}": "v" * 10_000 for n in range(300)})
        state.take_nodes({f"/node_{number}": ""})
        state.log("somebody", "stop", True, "y" * 10_000)
    _, changed = state.changes(0)
    assert len(changed["statuses"]) == MAX_STATUSES and len(changed["nodes"]) <= MAX_STATUSES
    assert len(changed["events"]) == MAX_EVENTS
    assert len(json.dumps(changed)) < 3_000_000


def test_the_trained_instructions_come_from_the_checkpoint_and_a_broken_one_gives_none(tmp_path):
    assert trained_instructions("") == ()
    assert trained_instructions(str(tmp_path)) == ()
    (tmp_path / "training.json").write_text('{"tasks": ["pick up the bread", 5]}')
    assert trained_instructions(str(tmp_path)) == ("pick up the bread",)
    for text in ("{", "[]", '{"tasks": 3}'):
        (tmp_path / "training.json").write_text(text)
        assert trained_instructions(str(tmp_path)) == ()


def test_what_others_call_things_is_shown_in_one_line_and_cut():
    state, evil = ConsoleState(), "a\n\x1b[31m\u202e" * 2000
    state.take_status(evil, 0, evil, {evil: evil})
    state.take_plan({"instruction": evil, "goal_codes": list(range(5000)), "chunk_id": 1}, {})
    state.take_driver("ENABLED", evil, evil)
    state.log("somebody", "instruct", False, evil)
    _, changed = state.changes(0)
    ((name, status),) = changed["statuses"].items()
    shown = [name, status["message"], *status["values"], *status["values"].values()]
    shown += [changed["plan"]["instruction"], changed["driver"]["reason"], changed["driver"]["source"]]
    shown += [changed["events"][0]["message"]]
    for text in shown:
        assert text.isprintable() and len(text) <= 2000
    assert len(changed["plan"]["goal_codes"]) == 64


def test_made_up_statuses_do_not_keep_a_real_one_out():
    state = ConsoleState()
    for number in range(MAX_STATUSES + 20):
        state.take_status(f"made up {number}", 0, "", {})
    state.take_status("realman_driver: arm", 0, "ENABLED", {})
    _, changed = state.changes(0)
    assert "realman_driver: arm" in changed["statuses"] and len(changed["statuses"]) == MAX_STATUSES
