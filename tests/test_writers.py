"""Processes that write at the same time, or are killed: every file is whole, and nothing of another one is lost."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.dataset.feature_sets import add_feature_set
from protas_gtcc.dataset.file import Dataset, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.prepare.labels import write_labels_into
from protas_gtcc.storage import atomic, locks
from protas_gtcc.storage.atomic import replace_when_whole, write_text
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.training.run_directory import RunDirectory
from tests.conftest import tiny_config
from tests.mstcn_folder import exit_code, write_mstcn

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


def test_a_pipe_and_a_device_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    for name in ("pipe", "device"):
        with pytest.raises(InputError, match=f"{name} is a pipe or a device"):
            write_text(tmp_path / name, "text")
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "device").is_symlink()


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


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder in which every user may write, and may remove only their own files."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


def as_another_user(path: Path) -> str:
    """What another user gets who writes `path` too, and does not wait."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can become another user")
    reading, writing = os.pipe()
    if os.fork() == 0:
        answer = "locked"
        try:
            os.setuid(65534)
            with only_writer(path, wait=False):
                pass
        except BaseException as error:
            answer = f"{type(error).__name__} {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    os.wait()
    with os.fdopen(reading) as answers:
        return answers.read()


def test_the_lock_of_another_user_holds_too(open_folder):
    path, lock = open_folder / "a.h5", open_folder / ".a.h5.lock"
    with only_writer(path, wait=False):
        assert stat.S_IMODE(lock.stat().st_mode) & 0o022 == 0, "other users may only read it"
        assert as_another_user(path).startswith(
            f"BeingWrittenError another process is writing {path}; wait for its end"
        )
    assert as_another_user(path) == "locked"
    lock.touch()  # a left-over, which the other user may not remove
    assert as_another_user(path) == "locked"
    lock.chmod(0o600)
    assert as_another_user(path) == (
        f"InputError {lock} cannot be locked: Permission denied; remove it if no other process writes, or give another "
        "path"
    )


def test_a_link_in_the_place_of_a_lock_is_refused_and_a_new_folder_is_locked(tmp_path):
    (tmp_path / "mine").touch()
    (tmp_path / ".a.h5.lock").symlink_to(tmp_path / "mine")
    with (
        pytest.raises(InputError, match=r"\.a\.h5\.lock cannot be locked: Too many levels"),
        only_writer(tmp_path / "a.h5", True),
    ):
        pass
    path = tmp_path / "new" / "folder" / "a.h5"
    with only_writer(path, True):
        assert names(path.parent) == {".a.h5.lock"}
    assert not (tmp_path / "new").exists()


def test_a_wait_for_another_writer_is_reported_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.01)
    path, order = tmp_path / "a.h5", []

    def wait() -> None:
        with only_writer(path, wait=True):
            order.append("second")

    with only_writer(path, wait=True):
        waiting = threading.Thread(target=wait)
        waiting.start()
        while not caplog.records:
            time.sleep(0.01)
        time.sleep(0.1)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
    assert [one.getMessage() for one in caplog.records] == [f"waiting for another process, which writes {path}"]


def test_a_feature_set_that_is_added_while_its_file_is_prepared_anew_is_kept(tiny_dataset, tmp_path):
    path, done = tmp_path / "one.h5", threading.Event()
    path.write_bytes(tiny_dataset.read_bytes())
    before = Dataset(path)
    info, sets = before.info, {"features": before.feature_sets["features"]}

    def prepare_slowly() -> None:
        with write_dataset(path, info, sets) as writer:
            done.set()
            time.sleep(0.3)
            for video in before.video_names:
                writer.add(Video(video, before.labels(video), {"features": before.features(video, "features")}))

    preparing = threading.Thread(target=prepare_slowly)
    preparing.start()
    done.wait()
    add(path, "added")
    preparing.join()
    assert set(Dataset(path).feature_sets) == {"features", "added"}


@pytest.mark.slow
def test_of_two_that_prepare_one_file_at_once_one_is_refused(tmp_path):
    folder = tmp_path / "videos"
    labels, parts = {"a": [0, 1] * 20, "b": [1, 0] * 20}, {"train": ["a"], "test": ["b"]}
    write_mstcn(folder, ["background", "cut"], labels, parts, lambda frames: np.ones((6, frames), np.float32))
    code = "import sys; from protas_gtcc.cli.main import main; main(sys.argv[1:])"
    path = tmp_path / "new" / "dd.h5"
    with only_writer(path, wait=True):
        both = [in_process(code, "prepare", folder, "--out", path, "--fps", fps) for fps in (5, 10)]
        while not all(is_waiting(one) for one in both):  # both have seen that there is no file
            time.sleep(0.05)
    for one in both:
        one.communicate()
    assert sorted(one.returncode for one in both) == [0, 1]
    assert Dataset(path).info.fps == (5 if both[0].returncode == 0 else 10)


def is_waiting(process: subprocess.Popen[str]) -> bool:
    """Whether it has the lock's file open."""
    for file in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if file.readlink().name.endswith(".lock"):
                return True
    return False


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


def test_labels_wait_for_another_writer_of_their_file_and_keep_what_it_wrote(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.01)
    folder, path = tmp_path / "videos", tmp_path / "one.h5"
    split = {"train": ["a"], "test": ["b"]}
    write_mstcn(folder, ["background", "cut"], dict.fromkeys("ab", [0, 1] * 9), split, lambda t: np.ones((6, t)))
    assert exit_code("prepare", folder, "--out", path, "--fps", 5) == 0
    (folder / "groundTruth" / "b.txt").write_text("\n".join(["cut"] * 18))
    shutil.copy(path, tmp_path / "other.h5")
    add(tmp_path / "other.h5", "added")
    waiting = threading.Thread(target=write_labels_into, args=(open_layout(folder), path))
    with only_writer(path, wait=False):
        waiting.start()
        while "waiting for another process" not in caplog.text:
            assert waiting.is_alive(), "it did not wait"
            time.sleep(0.01)
        shutil.copy(tmp_path / "other.h5", path)
    waiting.join()
    assert set(Dataset(path).feature_sets) == {"features", "added"}
    assert Dataset(path).labels("b").tolist() == [1] * 18


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


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_must_be_new_is_never_put_over_another(tmp_path, monkeypatch, has_links):
    def refuse(*_: object) -> None:
        raise PermissionError("this file system has no hard links")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "config.yaml"
    write_text(path, "first", exclusive=True)
    with pytest.raises(FileExistsError):
        write_text(path, "second", exclusive=True)
    assert (path.read_text(), names(tmp_path)) == ("first", {path.name})


def test_a_file_that_must_be_new_is_not_there_until_it_is_whole(tmp_path):
    code = (
        "import os, sys; from protas_gtcc.storage.atomic import write_text\n"
        "os.link = os.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        "write_text(sys.argv[1], 'whole', exclusive=True)"
    )
    killed = in_process(code, tmp_path / "config.yaml")
    killed.communicate()
    assert killed.returncode == -9
    assert not (tmp_path / "config.yaml").exists()
