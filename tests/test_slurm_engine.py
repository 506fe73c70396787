"""The Slurm engine without Slurm: what it makes of squeue's answers, of a time that is over, and of being in a job."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from protas_gtcc.errors import InputError
from protas_gtcc.work.engines import slurm_queue
from protas_gtcc.work.engines.local import LocalEngine
from protas_gtcc.work.engines.slurm_job import MOST_TIMES_IN_VAIN, Requeued, outside_of_jobs
from protas_gtcc.work.engines.slurm_queue import SlurmQueue
from protas_gtcc.work.jobs import Job, Outcome
from tests.test_cross_validate import is_alive, wait_for
from tests.test_work_lists import folder, needs, needs_proc, pids
from tests.work_list_driver import stand_in_job

__all__ = ["folder"]


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose text is squeue's answer; without it, squeue fails."""
    answer = tmp_path / "answer"
    for name in ("sbatch", "squeue", "scancel", "srun"):
        (tmp_path / name).write_text(f"#!/bin/sh\nexec cat {answer}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(slurm_queue, "SECONDS_BETWEEN_QUESTIONS", 0.0)
    return answer


def test_a_job_has_ended_when_slurm_says_so_or_has_forgotten_it(squeue):
    queue, start = SlurmQueue(), time.monotonic()
    squeue.write_text("1 RUNNING None\n2 PENDING Priority\n3 COMPLETING None\n4 SUSPENDED None\n5 REQUEUED None\n")
    assert [queue.how_ended(job, start) for job in "12345"] == [None] * 5
    assert queue.how_ended("6", start) == "FORGOTTEN"
    assert queue.how_ended("6", time.monotonic() + 60) is None, "the answer is from before it was queued"
    squeue.write_text("1 TIMEOUT TimeLimit\n2 OUT_OF_MEMORY OutOfMemory\n3 COMPLETED None\n")
    assert [queue.how_ended(job, start) for job in "123"] == ["TIMEOUT", "OUT_OF_MEMORY", "COMPLETED"]


def test_while_slurm_does_not_answer_no_job_has_ended_and_one_line_says_so(squeue, caplog):
    queue, start = SlurmQueue(), time.monotonic()
    assert [queue.how_ended(job, start) for job in "12"] == [None, None]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("Slurm does not answer, and is asked again: cat: ")


def test_one_line_names_the_reason_of_a_job_that_may_wait_for_ever(squeue, caplog):
    queue, start = SlurmQueue(), time.monotonic()
    squeue.write_text(
        "1 PENDING Resources\n2 PENDING PartitionConfig\n3 PENDING PartitionConfig\n4 PENDING QOSMaxJobsPerUserLimit\n"
    )
    assert [queue.how_ended(job, start) for job in "4123"] == [None] * 4
    assert caplog.messages == ["Slurm job 2 waits: PartitionConfig; see 'scontrol show job 2'"]


def stepping_job(folder: Path) -> Job:
    """A job that has nothing to do, and whose steps are files."""
    job = stand_in_job(folder, "a")
    return dataclasses.replace(job, is_done=lambda: True, steps=9, steps_done=lambda: len([*folder.glob("step*")]))


@needs("submitit")
def test_a_job_is_queued_again_as_long_as_its_time_is_enough_for_a_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    queued = Requeued(stepping_job(tmp_path), str(tmp_path))
    for number in range(2 * MOST_TIMES_IN_VAIN):
        assert queued().state == "done"
        if number % 2:
            (tmp_path / f"step{number}").touch()
        queued = queued.checkpoint().function
    for _ in range(MOST_TIMES_IN_VAIN - queued.times_in_vain):
        queued()
        queued = queued.checkpoint().function
    queued()
    with pytest.raises(InputError, match="4 times without a step done; give it more"):
        queued.checkpoint()


@needs_proc
def test_slurm_s_signal_before_the_end_leaves_a_job_s_process_to_the_one_that_started_it(folder):
    (folder / "hold").touch()
    engine = LocalEngine(1)
    outcome = engine.submit(stand_in_job(folder, "a"))
    wait_for(lambda: pids(folder, "a"))
    os.kill(pids(folder, "a")[0][0], signal.SIGUSR2)
    (folder / "hold").unlink()
    assert outcome.result().state == "done"
    engine.close()


def test_a_command_inside_of_a_slurm_job_hides_what_slurm_has_set(monkeypatch):
    for name in ("SLURM_MEM_PER_CPU", "SLURM_CONF", "SBATCH_ACCOUNT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with outside_of_jobs():
        assert "SLURM_MEM_PER_CPU" in os.environ, "the person's own default"
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with outside_of_jobs():
        assert [name in os.environ for name in ("SLURM_MEM_PER_CPU", "SLURM_JOB_ID")] == [False, False]
        assert [name in os.environ for name in ("SLURM_CONF", "SBATCH_ACCOUNT")] == [True, True]
    assert (os.environ["SLURM_MEM_PER_CPU"], os.environ["SLURM_JOB_ID"]) == ("1", "7")


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """What a shell starts in the background ignores it, and so would all that this process starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@needs_proc
@needs("submitit")
@pytest.mark.slow
@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_job_that_nothing_waits_for_yet_when_a_signal_comes_is_ended_too(folder, monkeypatch):
    from protas_gtcc.work.engines.slurm import SlurmEngine

    (folder / "hold").touch()
    engine = SlurmEngine(1, folder, {"cluster": "local"})
    submit = engine._pool.submit

    def interrupted(call, *given):
        if call == engine._watch:
            raise KeyboardInterrupt
        return submit(call, *given)

    monkeypatch.setattr(engine._pool, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.submit(stand_in_job(folder, "a"))
    wait_for(lambda: pids(folder, "a"), 60)
    [handle] = engine._queued
    engine.close()
    handle._process.wait(60)
    assert not is_alive(pids(folder, "a")[0][0])


@needs("submitit")
def test_ctrl_c_in_a_terminal_does_not_end_sbatch_which_may_have_queued_the_job(squeue, tmp_path):
    from protas_gtcc.work.engines.slurm import SlurmEngine

    (tmp_path / "sbatch").write_text("#!/bin/sh\nkill -INT $$\necho Submitted batch job 7\n")
    (tmp_path / "scancel").write_text(f"#!/bin/sh\necho $* > {tmp_path}/cancelled\n")
    squeue.write_text("7 RUNNING None\n")
    engine = SlurmEngine(1, tmp_path / "jobs", {})
    engine.submit(stand_in_job(tmp_path, "a"))
    engine.close()
    assert (tmp_path / "cancelled").read_text() == "7\n"


class FakeQueue:
    """Slurm's answers about one job, each seen in two looks."""

    def __init__(self, answers: list[str | None]):
        self._answers, self._looks, self.answered = answers, 0, 0.0

    def how_ended(self, job: str, since: float) -> str | None:
        self.answered = float(self._looks // 2)
        self._looks += 1
        return self._answers[int(self.answered)]

    def is_at_last(self) -> bool:
        return self._looks == 2 * len(self._answers) - 1


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """The outcome of a job with these answers of Slurm, if it leaves a result after the last."""
    from protas_gtcc.work.engines import slurm

    def watch(answers: list[str | None]) -> Outcome:
        queue = FakeQueue(answers)
        monkeypatch.setattr(slurm, "result_of", lambda handle: Outcome("done") if queue.is_at_last() else None)
        monkeypatch.setattr(slurm, "SECONDS_BETWEEN_LOOKS", 0.0)
        engine = slurm.SlurmEngine(1, tmp_path, {"cluster": "local"})
        monkeypatch.setattr(engine, "_queue", queue)
        outcome = engine._outcome(Mock(job_id="7"))
        engine.close()
        return outcome

    return watch


@needs("submitit")
def test_a_job_that_slurm_queues_again_is_waited_for_however_often(watched):
    assert watched(["NODE_FAIL", "NODE_FAIL", None, "PREEMPTED", "PREEMPTED", None, "PREEMPTED"]).state == "done"


@needs("submitit")
def test_a_job_that_ended_without_a_result_is_given_up(watched):
    outcome = watched(["FAILED"] * 9)
    assert outcome.state == "died"
    assert outcome.reason.startswith("Slurm job 7 has left no result (FAILED); see ")


@needs("submitit")
def test_a_job_that_could_not_be_looked_at_is_cancelled_in_the_end(squeue, tmp_path, monkeypatch):
    from protas_gtcc.work.engines import slurm

    (tmp_path / "sbatch").write_text("#!/bin/sh\necho Submitted batch job 7\n")
    (tmp_path / "scancel").write_text(f"#!/bin/sh\necho $* > {tmp_path}/cancelled\n")
    monkeypatch.setattr(slurm, "result_of", Mock(side_effect=OSError("stale file handle")))
    engine = slurm.SlurmEngine(1, tmp_path / "jobs", {})
    with pytest.raises(OSError, match="stale"):
        engine.submit(stand_in_job(tmp_path, "a")).result()
    engine.close()
    assert (tmp_path / "cancelled").read_text() == "7\n"


@needs("submitit")
def test_a_folder_whose_name_slurm_would_change_is_refused(tmp_path):
    from protas_gtcc.work.engines.slurm import SlurmEngine

    with pytest.raises(InputError, match="50%: Slurm replaces % in paths; give one without"):
        SlurmEngine(1, tmp_path / "50%", {"cluster": "local"})
