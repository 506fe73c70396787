"""A real Slurm on this machine: what is killed, queued again or interrupted is done in the end, once.

Without Slurm these tests are skipped; `tests/test_work_lists.py` has the same with submitit's stand-in for it.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess

import pytest

from tests.test_cross_validate import is_alive, wait_for
from tests.test_work_lists import (
    ended,
    folder,
    kill,
    kill_driver,
    needs,
    needs_proc,
    pids,
    require_whole,
    start,
)

__all__ = ["folder"]


def node_of_this_machine() -> tuple[str, str]:
    """Its name in Slurm, "" if it has none that takes two jobs, and why."""
    if shutil.which("sbatch") is None:
        return "", "there is no sbatch in PATH"
    command = ["sinfo", "--Node", "--noheader", "--format=%N %n %t %c"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        return "", f"Slurm does not answer: {getattr(error, 'stderr', '') or error}"
    for line in answer.stdout.splitlines():
        node, host, state, cores = line.split()
        if host == platform.node() and state in ("idle", "mix", "alloc") and int(cores) > 1:
            return node, ""
    return "", "Slurm has no running node with two cores on this machine, whose temporary files tests use"


NODE, REASON = node_of_this_machine()
pytestmark = [needs_proc, needs("submitit"), pytest.mark.slow, pytest.mark.skipif(not NODE, reason=REASON)]
ON_THIS_NODE = [f"nodelist={NODE}"]


def numbers(names: str) -> list[str]:
    """Of this user's Slurm jobs that wait or run, those with one of the names."""
    command = ["squeue", f"--user={os.getuid()}", "--noheader", f"--name={names}", "--format=%i"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_killed_processes_are_replaced_and_a_killed_driver_loses_nothing(folder):
    (folder / "hold").touch()
    driver = start("slurm", folder, "a,b,c", *ON_THIS_NODE)
    wait_for(lambda: pids(folder, "a") and pids(folder, "b"), 60)
    kill(pids(folder, "a")[0][1])
    kill(pids(folder, "b")[0][0])
    wait_for(lambda: len(pids(folder, "a")) == len(pids(folder, "b")) == 2, 60)
    assert not any(is_alive(pids(folder, name)[0][0]) for name in "ab"), "never two processes of one job"
    kill_driver(driver)
    assert all(is_alive(pids(folder, name)[1][0]) for name in "ab"), "Slurm jobs go on"
    again = start("slurm", folder, "a,b,c", *ON_THIS_NODE)
    (folder / "hold").unlink()
    assert ended(again) == {}
    require_whole(folder, "a,b,c")
    wait_for(lambda: not numbers("a,b,c"), 60)


def test_ctrl_c_ends_the_jobs_and_cancelled_ones_are_tried_again(folder):
    (folder / "hold").touch()
    driver = start("slurm", folder, "a,b", *ON_THIS_NODE)
    wait_for(lambda: pids(folder, "a") and pids(folder, "b"), 60)
    subprocess.run(["scancel", *numbers("a")], check=True)
    wait_for(lambda: len(pids(folder, "a")) == 2, 60)
    os.killpg(driver.pid, signal.SIGINT)
    printed, errors = driver.communicate(timeout=60)
    assert (driver.returncode, printed) == (128 + signal.SIGINT, "")
    died, interrupted = errors.splitlines()
    assert died.startswith("a: ")
    assert died.endswith("; it is tried again")
    assert interrupted == "interrupted; nothing half-written was left behind"
    wait_for(lambda: not numbers("a,b,c"), 60)
    assert not any(is_alive(process) for name in "ab" for process, _ in pids(folder, name))
    assert not (folder / "made").exists()
