"""Processes that write at the same time, or are killed: every file is whole, and nothing of another one is lost."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.dataset.feature_sets import add_feature_set
from protas_gtcc.dataset.file import Dataset, FeatureSet
from protas_gtcc.errors import InputError
from protas_gtcc.storage import atomic
from protas_gtcc.storage.atomic import replace_when_whole, write_text
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.training.run_directory import RunDirectory
from tests.conftest import tiny_config

SPAWN = multiprocessing.get_context("spawn")


def in_process(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], text=True, stdout=subprocess.PIPE)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Temporary files


def test_the_next_write_removes_what_a_killed_process_left_and_nothing_else(tmp_path):
    code = (
        "import os, sys; from protas_gtcc.storage.atomic import replace_when_whole\n"
        "with replace_when_whole(sys.argv[1]) as part: part.write_text('half'); os.kill(os.getpid(), 9)"
    )
    in_process(code, tmp_path / "a.txt").communicate()
    (left,) = names(tmp_path)
    own, other = f".a.txt.{atomic._machine()}.", ".a.txt.0123abcd."
    kept = {f"{own}{os.getppid()}.{'0' * 16}.part", f"{other}99999999.{'0' * 16}.part", ".a.txt.part", "b.part"}
    for name in kept:
        (tmp_path / name).touch()  # of a living process, of another machine, of somebody else
    old = tmp_path / f"{other}1.{'f' * 16}.part"
    old.touch()
    os.utime(old, (time.time() - 2 * atomic.SECONDS_KEPT,) * 2)
    write_text(tmp_path / "a.txt", "whole")
    assert names(tmp_path) == {"a.txt", *kept}
    assert left.startswith(own)
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_processes_with_one_number_on_two_machines_never_share_a_temporary_file(tmp_path):
    with replace_when_whole(tmp_path / "a.txt") as one, replace_when_whole(tmp_path / "a.txt") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a.txt").read_text() == "one", "the last to end wins, whole"
    assert names(tmp_path) == {"a.txt"}


def test_no_planted_link_is_followed(tmp_path, monkeypatch):
    (tmp_path / "mine").write_text("mine")
    monkeypatch.setattr("secrets.token_hex", lambda _: "0" * 16)
    planted = tmp_path / f".a.txt.{atomic._machine()}.{os.getpid()}.{'0' * 16}.part"
    planted.symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="File exists"):
        write_text(tmp_path / "a.txt", "theirs")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path):
    write_text(tmp_path / ("n" * 255), "whole")
    assert names(tmp_path) == {"n" * 255}


# Locks


def test_a_second_writer_is_refused_or_waits_and_a_dead_one_holds_nothing(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from protas_gtcc.storage.locks import only_writer\n"
        "with only_writer(Path(sys.argv[1]), wait=False): print('locked', flush=True); time.sleep(60)"
    )
    path = tmp_path / "a.h5"
    holder = in_process(code, path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    with (
        pytest.raises(InputError, match=r"another process is writing .*a\.h5; wait"),
        only_writer(path, False),
    ):
        pass
    holder.kill()
    holder.communicate()
    with only_writer(path, wait=True):
        assert names(tmp_path) == {".a.h5.lock"}
    assert names(tmp_path) == set()


def test_a_lock_whose_file_is_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    file, flock, times = tmp_path / ".a.h5.lock", fcntl.flock, []

    def removed_at_first(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)
        times.append(descriptor)
        if len(times) == 1:
            file.unlink()

    monkeypatch.setattr(fcntl, "flock", removed_at_first)
    with only_writer(tmp_path / "a.h5", wait=True):
        assert (len(times), file.exists()) == (2, True)


def count_up(path: Path) -> None:
    for _ in range(100):
        with only_writer(path, wait=True):
            path.write_text(str(int(path.read_text()) + 1))


@pytest.mark.slow
def test_processes_that_take_turns_lose_no_change(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    workers = [SPAWN.Process(target=count_up, args=(path,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert path.read_text() == "300"


def add(path: Path, name: str) -> None:
    dataset = Dataset(path)
    features = {video: np.ones((n, 2), np.float32) for video, n in dataset.num_frames.items()}
    add_feature_set(path, name, FeatureSet(2), features)


@pytest.mark.slow
def test_feature_sets_added_at_the_same_time_are_all_kept(tiny_dataset, tmp_path):
    path = tmp_path / "one.h5"
    path.write_bytes(tiny_dataset.read_bytes())
    workers = [SPAWN.Process(target=add, args=(path, f"set{number}")) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert {"set0", "set1", "set2"} <= set(Dataset(path).feature_sets)
    assert names(tmp_path) == {"one.h5"}


# Run directories


def test_of_two_runs_that_start_in_one_folder_one_is_refused(tiny_dataset, tmp_path, monkeypatch):
    run, config = RunDirectory(tmp_path / "run"), tiny_config(tiny_dataset)
    monkeypatch.setattr(RunDirectory, "require_new", lambda _: None)  # both looked before either wrote
    run.start(config)
    monkeypatch.undo()
    before = run.config_file.read_text()
    with pytest.raises(InputError, match="already holds a run"):
        run.start(tiny_config(tiny_dataset, "reference"))
    assert run.config_file.read_text() == before
    with run.only_writer(), pytest.raises(InputError, match="another process is writing"), run.only_writer():
        pass
