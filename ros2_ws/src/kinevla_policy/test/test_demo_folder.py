"""Two demonstrations never write to one folder, and hear no other robot."""

import subprocess
import sys

import pytest

from kine_nodes import own_domain
from kinevla_policy import demo
from kinevla_policy.folder_lock import only_run_in

HOLD = "import pathlib, sys; from kinevla_policy.folder_lock import only_run_in\n" + (
    "with only_run_in(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
)


def test_a_second_demonstration_in_the_folder_of_one_that_runs_is_refused(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(demo, "demonstrate", lambda args, out: started.append(out))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setattr(sys, "argv", ["demo", "--out", str(tmp_path)])
        with pytest.raises(SystemExit) as refused:
            demo.main()
        assert refused.value.code == (
            f"demo: another run (process {holder.pid}) writes to {tmp_path}; give it another folder"
        )
        monkeypatch.setattr(sys, "argv", ["demo", "--out", str(tmp_path / "other")])
        demo.main()
        assert started == [tmp_path / "other"]
    finally:
        holder.kill()
        holder.communicate()
    with only_run_in(tmp_path):  # what a killed run held is free again
        pass


def test_without_a_domain_of_its_own_a_demonstration_does_not_start_and_says_so_in_one_line(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(own_domain, "LAST", own_domain.FIRST - 1)
    monkeypatch.setattr(sys, "argv", ["demo", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as refused:
        demo.main()
    assert str(refused.value.code).startswith("demo: no ROS domain from ")
