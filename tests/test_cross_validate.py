"""Many runs at once: what is kept, resumed or made, what a failure or an end from outside leaves, and the verb."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from protas_gtcc.cli.commands import train
from protas_gtcc.cli.commands.cross_validate import Command, left_out
from protas_gtcc.cli.shared.folders import LONGEST_NAME, group_folder
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.cli.shared.work_lists import display_of
from protas_gtcc.config import DEFAULT, RunConfig
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.runs.config import RunGrid
from protas_gtcc.runs.plans import PlannedRun
from protas_gtcc.runs.run_grid import plan_grid
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.yaml_configs import to_yaml
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.work.engines.local import LocalEngine, usable_cores, visible_gpus
from protas_gtcc.work.jobs import Job
from protas_gtcc.work.work_list import Status, work_through
from tests.conftest import tiny_video

REPOSITORY = Path(__file__).resolve().parents[1]
TINY = ["--stages", "1", "--layers", "2", "--maps", "4", "--epochs", "1"]

STAND_IN = """
import os, pathlib, sys, time
words, started = sys.argv[1:], time.time()
run = pathlib.Path(words[words.index("--resume" if "--resume" in words else "--out") + 1])
print("called with", *words, "GPU", os.environ.get("CUDA_VISIBLE_DEVICES"))
run.mkdir(parents=True, exist_ok=True)
(run / "config.yaml").write_text((pathlib.Path(__file__).parent / "config.yaml").read_text())
(run / "pid").write_text(str(os.getpid()))
if "fails" in run.name:
    sys.exit("error: no luck\\n")
if "hangs" in run.name:
    time.sleep(60)
(run / "log.csv").write_text("epoch\\n1\\n2\\n")
(run / "metrics.json").write_text("{}")
(run / "times").write_text(f"{started} {time.time()}")
"""
"""A module in place of protas_gtcc: it trains nothing."""


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of the stand-in's runs, two epochs, and beside it the stand-in."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    config = dataclasses.replace(DEFAULT, training=dataclasses.replace(DEFAULT.training, epochs=2))
    write_text(tmp_path / "config.yaml", to_yaml(config))
    return tmp_path / "config.yaml"


def planned(config_file: Path, name: str) -> PlannedRun:
    config = RunDirectory(config_file.parent).read_config()
    return PlannedRun(name, RunDirectory(config_file.parent / "runs" / name), config, "run", ["--flag"])


def job_of(plan: PlannedRun) -> Job:
    return dataclasses.replace(plan.job(), module="stand_in")


def launch(plans: Sequence[PlannedRun], workers: int, gpus: Sequence[str] = (), **given: Any) -> dict[str, str]:
    """Make the runs with the stand-in, in processes of this machine."""
    manifest = plans[0].run.path.parent / "manifest.json"
    return work_through([job_of(plan) for plan in plans], LocalEngine(workers, gpus), manifest, **given)


def is_alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().split()[2]
    except OSError:
        return False


def wait_for(happened: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_missing_runs_are_made_unfinished_ones_resumed_and_others_survive_a_failure(config_file):
    plans = [planned(config_file, name) for name in ("new", "fails", "half")]
    half = plans[2].run
    half.start(plans[2].config)
    half.write_log([{"epoch": 1}])
    write_text(half.metrics, "scores of half a run")
    assert [plan.state() for plan in plans] == ["missing", "missing", "unfinished"]
    seen: list[Status] = []
    failed = launch(plans, workers=2, gpus=["3", "5"], on_status=seen.append)
    assert [plan.state() for plan in plans] == ["done", "unfinished", "done"]
    assert list(failed) == ["fails"]
    assert failed["fails"].startswith("no luck (exit code 1; ")
    logs = [plan.log.read_text() for plan in plans]
    assert f"called with run --flag --out {plans[0].run.path}" in logs[0]
    assert f"called with run --resume {half.path} --device auto --workers 0 --threads 1" in logs[2]
    assert {"GPU 3", "GPU 5"} >= {log.split()[-1].join(["GPU ", ""]) for log in (logs[0], logs[2])}
    assert half.metrics.read_text() == "{}", "not the scores from before"
    assert (seen[-1].num_done, seen[-1].num_failed, seen[-1].num_waiting) == (2, 1, 0)


def test_no_more_processes_run_than_jobs_and_each_has_a_gpu_of_its_own(config_file):
    plans = [planned(config_file, str(number)) for number in range(6)]
    assert launch(plans, workers=2, gpus=["7", "9"]) == {}
    for gpu in ("7", "9"):
        runs = [plan.run.path for plan in plans if plan.log.read_text().endswith(f"GPU {gpu}\n")]
        times = sorted([float(time) for time in (run / "times").read_text().split()] for run in runs)
        assert len(times) >= 1
        assert all(before[1] <= after[0] for before, after in pairwise(times)), "one after the other"


def test_a_run_of_other_settings_in_its_place_is_refused(config_file):
    plan = planned(config_file, "run")
    other = dataclasses.replace(plan.config, training=dataclasses.replace(plan.config.training, epochs=9))
    plan.run.start(other)
    with pytest.raises(InputError, match=r"is a run with epochs 9, not 2; give another --out, or remove it"):
        plan.state()
    moved = dataclasses.replace(plan.config, training=dataclasses.replace(plan.config.training, threads=4))
    assert dataclasses.replace(plan, run=RunDirectory(config_file.parent), config=moved).state() == "unfinished"


def test_whatever_interrupts_ends_all_processes(config_file):
    plans = [planned(config_file, name) for name in ("hangs1", "hangs2", "hangs3")]

    def interrupt(status: Status) -> None:
        if all((plan.run.path / "pid").exists() for plan in plans[:2]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(plans, workers=2, on_status=interrupt)
    assert not any(is_alive(int((plan.run.path / "pid").read_text())) for plan in plans[:2])
    assert not plans[2].run.path.exists(), "none was started afterwards"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
def test_runs_may_bring_further_runs_whether_they_fail_or_cannot_start(config_file):
    ended: list[tuple[str, str | None]] = []

    def next_jobs(job: Job, failure: str | None) -> list[Job]:
        ended.append((job.name, failure))
        number = len(ended)
        plan = planned(config_file, f"{'fails' if number == 1 else 'run'}-{number}")
        return [job_of(plan)] if number < 4 else []

    unlike = planned(config_file, "other")
    unlike.run.start(dataclasses.replace(unlike.config, split="9"))
    seen: list[Status] = []
    failed = launch([unlike], workers=1, on_status=seen.append, next_jobs=next_jobs)
    assert [name for name, _ in ended] == ["other", "fails-1", "run-2", "run-3"]
    assert {name for name, failure in ended if failure is not None} == {"other", "fails-1"} == {*failed}
    assert (seen[-1].num_done, seen[-1].num_failed, seen[-1].num_waiting) == (2, 2, 0)


def test_a_killed_launcher_leaves_no_process_behind(config_file):
    code = (
        "import sys; from pathlib import Path; from tests.test_cross_validate import planned, launch;"
        "file = Path(sys.argv[1]); launch([planned(file, 'hangs')], 1)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code, str(config_file)], cwd=REPOSITORY)
    pid = planned(config_file, "hangs").run.path / "pid"
    wait_for(lambda: pid.exists() and pid.read_text())
    assert is_alive(int(pid.read_text()))
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    wait_for(lambda: not is_alive(int(pid.read_text())))


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 8}, raising=False)
    assert usable_cores() == 3


def test_gpus_are_those_that_are_visible_here(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus("auto") == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert visible_gpus("cuda") == ["4", "6"]
    assert visible_gpus("cpu") == []


def test_the_screen_shows_the_running_runs_their_epochs_and_the_time_left(config_file, capsys):
    plan = planned(config_file, "default/split1-seed0")
    plan.run.write_log([{"epoch": 1}])
    status = Status([plan.job()], num_done=3, num_failed=1, num_waiting=2, seconds_left=600.0)
    for terminal in (False, True):
        with display_of(Console(width=120, force_terminal=terminal)) as display:
            display(status)
        printed = capsys.readouterr().out
        assert "3 done, 1 failed, 2 waiting, 10 min left" in printed
        assert "default/split1-seed0" in printed
        assert "1/2" in printed
        plan.run.write_log([{"epoch": 1}, {"epoch": 2}])
        with display_of(Console(width=120, force_terminal=terminal)) as display:
            display(dataclasses.replace(status, seconds_left=0.0))
        printed = capsys.readouterr().out
        assert "evaluating" in printed
        assert " left" not in printed
        plan.run.write_log([{"epoch": 1}])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten videos; splits 1 and 2, and a split 3 whose own features would be chosen."""
    path, names = tmp_path_factory.mktemp("data") / "kitchen.h5", [f"video{number}" for number in range(10)]
    splits = {"1": {"train": names[:8], "test": names[8:]}, "2": {"train": names[2:], "test": names[:2]}}
    splits["3"] = splits["1"]
    info = DatasetInfo("kitchen", ["rest", "cut", "mix", "serve"], [0], 5.0, splits)
    sets = {"features": FeatureSet(6), "features_split3": FeatureSet(6, split="3")}
    with write_dataset(path, info, sets) as writer:
        for number, name in enumerate(names):
            video = tiny_video(name, number)
            writer.add(dataclasses.replace(video, features=dict.fromkeys(sets, video.features["features"])))
    return path


def plans_of(dataset: Path, *flags: str, **options: Any) -> list[PlannedRun]:
    grid = RunGrid(str(dataset), **options)
    return plan_grid(grid, flags, Dataset(dataset), Path("out"), lambda words: train.Command.parse(words).config)


def cross_validate(*words: str) -> None:
    parse(Command, words, "protas-gtcc cross-validate").run()


def test_a_table_that_leaves_kinds_out_names_them(tmp_path):
    write_text(tmp_path / "table.json", json.dumps({"kinds": {"default": {}, "reference": {}}}))
    assert left_out(tmp_path / "table.json", ["default"]) == [
        "the table in this folder had reference too, whose runs are kept"
    ]
    assert left_out(tmp_path / "table.json", ["default", "reference", "more"]) == []
    assert left_out(tmp_path / "none.json", ["default"]) == []
    for content in ("{", "[]", "3", '{"kinds": 3}'):
        write_text(tmp_path / "other.json", content)
        assert left_out(tmp_path / "other.json", ["default"]) == []


@pytest.mark.slow
def test_runs_are_every_preset_control_split_and_seed_under_their_names(dataset):
    kinds = {"preset": ("default", "reference:1"), "control": ("none", "noise")}
    plans = plans_of(dataset, "--lr", "0.01", splits="1,2", seeds=2, **kinds)
    twice = ["default", "default-noise"]
    assert [plan.name for plan in plans] == [
        *(f"{kind}/split{split}-seed0" for split in "12" for kind in [*twice, "reference", "reference-noise"]),
        *(f"{kind}/split{split}-seed1" for split in "12" for kind in twice),
    ]
    for plan in plans:
        config = plan.config
        assert isinstance(config, RunConfig)
        assert plan.run.path == Path("out") / plan.name
        assert plan.name.endswith(f"/split{config.split}-seed{config.training.seed}")
        assert plan.name.startswith(config.preset)
        assert ("noise" in plan.name) == (config.control == "noise")
        assert config.training.lr == 0.01
    variants = ("one stage: --stages 1", "other rate: --lr 0.2")
    varied: Any = plans_of(dataset, "--lr", "0.01", splits="1", seeds=1, variant=variants)
    assert [(plan.name, plan.config.training.lr, plan.config.model.stages) for plan in varied] == [
        ("default/split1-seed0", 0.01, 4),
        ("default-one-stage/split1-seed0", 0.01, 1),
        ("default-other-rate/split1-seed0", 0.2, 4),
    ]
    aligned = plans_of(dataset, splits="1", seeds=2, variant=("own: --feature-set features --lr 0.{seed}1",))
    assert [plan.config.training.lr for plan in aligned if "own" in plan.name] == [0.01, 0.11]
    (one,) = plans_of(dataset, "--feature-set", "features", splits="3", seeds=1)
    assert one.name == "default-features/split3-seed0"


@pytest.mark.parametrize(
    ("options", "passed", "message"),
    [
        ({}, [], "different kinds, features for split 1, features for split 2, features_split3"),
        ({"splits": "1,7"}, [], "no split '7'"),
        (
            {"preset": ("best",)},
            [],
            "--preset best: expected one of reference, default, offline, a YAML file, or PRESET:N",
        ),
        ({"preset": ("default:0",)}, [], "--preset default:0: expected"),
        ({"splits": "1", "variant": ("--lr 0.1",)}, [], "expected 'NAME: FLAGS', as in"),
        ({"splits": "1", "variant": ("new seed: --seed 3",)}, [], "--seed is for one run"),
        ({"splits": "1", "variant": ("a b: --lr 1", "a-b: --lr 2")}, [], "two have the same name, a-b"),
        ({"seeds": 0}, [], "--seeds is 0"),
        ({"splits": "1"}, ["--seed", "3"], "--seed is for one run"),
        ({"splits": "1"}, ["--lr", "-1"], "--lr is -1"),
    ],
)
def test_what_no_run_can_be_made_of_is_refused_before_any_is_made(dataset, options, passed, message):
    with pytest.raises(InputError, match=message):
        plans_of(dataset, *passed, **options)


@pytest.mark.slow
def test_the_verb_pools_finished_runs_and_keeps_them_when_called_again(dataset, tmp_path, capsys, monkeypatch):
    out = tmp_path / "cv"
    words = ["--dataset", str(dataset), "--splits", "1,2", "--seeds", "1", "--workers", "2", "--out", str(out), *TINY]
    broken = RunDirectory(out / "default" / "split2-seed0")
    (plan,) = plans_of(dataset, *TINY, splits="2", seeds=1)
    broken.start(plan.config)
    write_text(broken.state, "no state at all")
    with pytest.raises(InputError, match="--workers is 0; it must be at least 1"):
        cross_validate(*words, "--workers", "0")
    with pytest.raises(InputError, match="1 of 2 runs failed, default/split2-seed0; the table is without these"):
        cross_validate(*words)
    printed = capsys.readouterr()
    assert "default/split2-seed0 failed: " in printed.err
    assert "not a whole safetensors file" in printed.err
    assert "kitchen, test videos of split 1, pooled" in printed.out

    kept = RunDirectory(out / "default" / "split1-seed0")
    before = kept.checkpoint.stat().st_mtime_ns
    cross_validate(*words, "--splits", "1")
    again = capsys.readouterr()
    assert f"runs in {out}: 1 done, 0 unfinished, 0 missing" in again.err.replace("\n", "")
    assert kept.checkpoint.stat().st_mtime_ns == before
    assert printed.out == again.out == (out / "table.md").read_text()
    summary = json.loads((out / "table.json").read_text())
    assert summary["kinds"]["default"]["runs"] == [{"path": str(kept.path), "split": "1", "seed": 0}]
    assert {"of", "minus", "figure", "value", "low", "high"} == set(pd.read_csv(out / "table.csv"))

    other = RunDirectory(tmp_path / "other")
    other.start(dataclasses.replace(kept.read_config(), dataset="elsewhere.h5"))
    with pytest.raises(
        InputError, match=r"the runs are of dataset files .*kitchen\.h5, elsewhere\.h5; give those of one"
    ):
        cross_validate("--runs", str(kept.path), str(other.path))
    cross_validate("--runs", str(kept.path))
    assert capsys.readouterr().out == printed.out, "finished runs alone give the same table"

    with monkeypatch.context() as terminal:
        terminal.setenv("FORCE_COLOR", "1")
        cross_validate("--runs", str(kept.path), "--out", str(tmp_path / "pooled"))
        shown = capsys.readouterr().out
        cross_validate("--runs", str(kept.path))
        unwritten = capsys.readouterr().out
    assert "|" not in shown
    assert len(shown.splitlines()) < 40 < len(printed.out.splitlines())
    files = f"All figures: {tmp_path / 'pooled' / 'table.md'}, table.csv and table.json."
    assert " ".join(shown.split()).endswith(files)
    assert (tmp_path / "pooled" / "table.md").read_text() == printed.out, "files have all of it"
    assert "All figures: give --out FOLDER" in unwritten

    shutil.copytree(kept.path, tmp_path / "again")
    cross_validate("--runs", str(kept.path), str(tmp_path / "again"))
    rerun = f"- {tmp_path / 'again'} is left out: it repeats {kept.path}, with the same settings, split and seed"
    lines = capsys.readouterr().out.splitlines()
    assert lines.pop(lines.index(rerun)) == rerun
    assert lines == printed.out.splitlines(), "a rerun is one line"


def test_commands_with_other_flags_for_the_runs_do_not_share_a_folder(dataset):
    folders = [group_folder("cv", Dataset(dataset), flags) for flags in ((), ("--lr", "1e-3"), ("--lr=0.01",))]
    assert [folder.name for folder in folders] == ["cv-kitchen", "cv-kitchen-lr-1e-3", "cv-kitchen-lr-0.01"]
    many = [group_folder("cv", Dataset(dataset), ["--stages", "1"] * 40 + [last]) for last in ("--a", "--b")]
    assert many[0] != many[1]
    assert len(many[0].name) == LONGEST_NAME
