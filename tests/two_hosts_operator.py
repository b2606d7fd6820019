"""The operator beside the robot: gives one instruction across the link and prints what happened as JSON.

`two_hosts_operator.py TASK`; run inside the robot's host by `test_two_hosts.py`.
Says `moving` after three chunks.
"""

from __future__ import annotations

import json
import sys
import time

from kine_sim.tasks import TASKS
from kinevla_policy.demo_client import DemoClient

SETTLE_S = 0.5
EVERY = 10  # of the joint states, for the track


def main() -> None:
    """Wait for everything, enable the arm, follow the instruction to its end, ask the judge."""
    client = DemoClient("two_hosts_operator")

    def policy() -> dict[str, str]:
        return client.diagnostic("kinevla: policy")

    def wait_for(what: str, ready, timeout_s: float) -> None:
        client.wait_for(what, ready, timeout_s, lambda: True)

    wait_for("both images", lambda: len(client.images) == 2, 90)
    wait_for("the policy", lambda: policy().get("message") == "idle", 120)
    client.enable()
    answer = client.instruct(TASKS[int(sys.argv[1]) - 1].instruction)
    if not answer.accepted:
        sys.exit(answer.message)
    instruction = str(answer.instruction_id)
    wait_for("three chunks", lambda: len(client.plans) >= 3, 60)
    print("moving", flush=True)
    wait_for(
        "the end of the instruction",
        lambda: policy().get("message") == "idle" and policy().get("instruction id") == instruction,
        100,
    )
    time.sleep(SETTLE_S)
    result = {
        "ended": policy().get("last instruction ended"),
        "verdict": client.verdict(),
        "chunks": len(client.plans),
        "policy": policy(),
        "driver": client.diagnostic("realman_driver: arm"),
        "compressor": client.diagnostic("image_compressor"),
        "track": [[stamp / 1e9, *joints[:7]] for stamp, joints in client.joint_states[::EVERY]],
    }
    client.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
