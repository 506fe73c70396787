"""A search makes every trial on the same folds, stops poor ones early, goes on after a kill, and says what it found."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import shutil
import signal
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from protas_gtcc.cli.commands import train, tune
from protas_gtcc.cli.shared.work_lists import WorkFlags, manifest_of
from protas_gtcc.config import DEFAULT, PRESETS
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.runs.plans import PlannedRun
from protas_gtcc.runs.run_grid import title_of
from protas_gtcc.runs.search_space import USUAL, flags_of, own_point, read_space, with_settings
from protas_gtcc.runs.trials import Fold, Trial
from protas_gtcc.runs.tuning import Tuning
from protas_gtcc.runs.tuning_summary import gain_on_last_folds, markdown, summarise, verdict, write_best
from protas_gtcc.storage.preset_files import read_preset, write_preset
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.work.engines.base import Engine
from protas_gtcc.work.jobs import Job, Outcome
from protas_gtcc.work.manifest import Manifest
from tests.conftest import tiny_video
from tests.mstcn_folder import exit_code

FOLDS = [Fold(Path("a.h5"), "1-0", 0), Fold(Path("b.h5"), "1-0", 0), Fold(Path("a.h5"), "1-1", 1)]
SPACE = ["lr=1e-4..1e-2", "maps=8,16"]
Score = Callable[[dict[str, Any], Fold], float | None]


def tuning_in(
    out: Path, number: int = 5, goal: str = "skill", space: Sequence[str] = SPACE, folds: Sequence[Fold] = FOLDS
) -> Tuning:
    def plan(trial: Trial, fold: Fold) -> PlannedRun:
        config = dataclasses.replace(DEFAULT, dataset=str(fold.dataset), split=fold.split)
        name = f"{trial.name}/{fold.dataset.stem}-{fold.split}"
        return PlannedRun(name, RunDirectory(out / name), with_settings(config, trial.settings), "run", [])

    out.mkdir(exist_ok=True)
    known = read_space(space, DEFAULT)
    return Tuning(out, folds, known, goal, number, plan, own_point(known, DEFAULT), {})


def make(plan: PlannedRun, skill: float) -> None:
    """A finished run with this skill."""
    plan.run.start(plan.config)
    plan.run.checkpoint.touch()
    plan.run.metrics.write_text(
        json.dumps({"progress": {"predicted": {"skill": skill}}, "segmentation": {"acc": 50.0}})
    )


def search(tuning: Tuning, score: Score, stop_after: int | None = None, at_once: int = 1) -> list[str]:
    """Make the runs of a search, `score` in place of training; returns their names, in the order of their ends."""
    waiting, made = tuning.first_runs(at_once), list[str]()
    while waiting and len(made) != stop_after:
        assert len(waiting) <= at_once
        plan = waiting.pop(0)
        if plan.state() == "done":
            waiting += tuning.next_runs(plan, None)
            continue
        made.append(plan.name)
        config = plan.config
        found = score(
            {"lr": config.training.lr, "maps": config.model.maps}, Fold(Path(config.dataset), config.split, 0)
        )
        if found is not None:
            make(plan, found)
        waiting += tuning.next_runs(plan, "no luck" if found is None else None)
    return made


def by_rate(settings: dict[str, Any], fold: Fold) -> float:
    return settings["lr"] + (0.1 if fold.dataset.stem == "a" else 0)


def test_every_trial_is_made_on_the_folds_in_their_order_the_preset_first(tmp_path):
    made = search(tuning_in(tmp_path / "out", 2), by_rate)
    folds = ("a-1-0", "b-1-0", "a-1-1")
    assert made == [f"{trial}/{fold}" for trial in ("preset", "trial-000", "trial-001") for fold in folds]


def test_several_at_once_make_the_same_number_of_trials(tmp_path):
    tuning = tuning_in(tmp_path / "out", 7)
    made = search(tuning, by_rate, at_once=3)
    assert len(tuning.trials) == len({trial.name for trial in tuning.trials}) == 7
    assert len(made) == len({*made}) == sum(len(trial.scores) for trial in [tuning.preset, *tuning.trials])


def test_the_best_trial_has_the_highest_mean_over_datasets_and_becomes_a_preset(tmp_path):
    tuning = tuning_in(tmp_path / "out", 12)
    search(tuning, by_rate)
    summary = summarise(tuning)
    whole = [trial for trial in tuning.trials if trial.state == "complete"]
    best = max(whole, key=lambda trial: trial.settings["lr"])
    assert summary["best"] == best.name
    assert summary["gain"] == pytest.approx(best.settings["lr"] - DEFAULT.training.lr)
    assert summary["preset"]["mean"] == pytest.approx(DEFAULT.training.lr + 0.05), "two folds of a count as one of b"
    file = write_best(tmp_path / "out", tuning, summary, DEFAULT, "protas-gtcc run --preset best.yaml")
    assert "# protas-gtcc run --preset best.yaml\n" in file.read_text()
    assert dataclasses.replace(read_preset(str(file)), preset="default") == with_settings(DEFAULT, best.settings)
    rows = markdown(summary).splitlines()
    assert rows[2].startswith("| preset |")
    assert rows[3].startswith(f"| {best.name} |")
    assert "| a | b |" in rows[0]


def test_after_a_round_a_trial_below_the_median_of_the_others_is_stopped(tmp_path):
    tuning = tuning_in(tmp_path / "out", 15)
    search(tuning, by_rate)
    before: list[Trial] = [tuning.preset]
    for trial in tuning.trials:
        means = [(sum(one.scores[:2]) / 2) for one in before]
        poor = len(means) >= 5 and sum(trial.scores[:2]) / 2 < statistics.median(means)
        assert trial.state == ("stopped" if poor else "complete")
        assert len(trial.scores) == (2 if poor else 3), "never within a round"
        before.append(trial)
    assert "stopped after 2 of 3 folds" in markdown(summarise(tuning))


@pytest.mark.parametrize("stop_after", [1, 4, 7, 11])
def test_a_search_that_was_killed_is_continued_and_repeats_no_run(tmp_path, stop_after):
    before = search(tuning_in(tmp_path / "out"), by_rate, stop_after)
    unfinished = {path.parent.name: path.read_text() for path in tmp_path.glob("out/trial-*/trial.json")}
    after_kill = tuning_in(tmp_path / "out")
    after = search(after_kill, by_rate)
    assert not {*before} & {*after}
    assert len(after_kill.trials) == 5
    for name, text in unfinished.items():
        [trial] = [one for one in after_kill.trials if one.name == name]
        assert trial.settings == json.loads(text)["settings"]
    assert search(tuning_in(tmp_path / "out"), by_rate) == []
    more = tuning_in(tmp_path / "out", 9)
    assert {name.split("/")[0] for name in search(more, by_rate)} == {f"trial-{number:03d}" for number in range(5, 9)}
    assert len({trial.settings["lr"] for trial in more.trials}) == 9, "no proposal comes again"


def test_a_failed_trial_is_named_the_search_goes_on_and_the_command_tries_again(tmp_path):
    out = tmp_path / "out"

    def unlucky(settings: dict[str, Any], fold: Fold) -> float | None:
        return None if settings["maps"] == 16 and fold.dataset.stem == "b" else 0.5

    tuning = tuning_in(out, 8)
    search(tuning, unlucky)
    failed = {trial.name for trial in tuning.trials if trial.state == "failed"}
    assert failed == {trial.name for trial in tuning.trials if trial.settings["maps"] == 16}
    summary = summarise(tuning)
    assert "failed: no luck" in markdown(summary)
    assert f"{len(failed)} trials failed; the same command tries again." in markdown(summary)
    assert "No trial has a better skill than the preset (0.500)" in markdown(summary)
    assert write_best(out, tuning, summary, DEFAULT, "") is None
    again = tuning_in(out, 8)
    assert {name.split("/")[0] for name in search(again, lambda settings, fold: 0.6)} == failed
    assert all(trial.state in ("complete", "stopped") for trial in again.trials)


def test_a_search_of_which_all_failed_says_so(tmp_path):
    tuning = tuning_in(tmp_path / "out", 2)
    search(tuning, lambda settings, fold: 0.5 if settings["lr"] == DEFAULT.training.lr else None)
    with pytest.raises(InputError, match="all 2 trials failed, trial-000: no luck; the command tries again"):
        summarise(tuning)


def test_once_the_preset_has_failed_nothing_more_is_made(tmp_path):
    tuning = tuning_in(tmp_path / "out")
    assert search(tuning, lambda settings, fold: None) == ["preset/a-1-0"]
    with pytest.raises(InputError, match="the preset itself failed, so there is nothing to compare with: no luck"):
        summarise(tuning)


def test_a_folder_that_was_removed_leaves_a_gap_and_no_other_is_overwritten(tmp_path):
    search(tuning_in(tmp_path / "out", 3), by_rate)
    kept = {name: (tmp_path / "out" / name / "trial.json").read_text() for name in ("trial-000", "trial-002")}
    shutil.rmtree(tmp_path / "out" / "trial-001")
    made = search(tuning_in(tmp_path / "out", 3), by_rate)
    assert {name.split("/")[0] for name in made} == {"trial-003"}
    assert kept == {name: (tmp_path / "out" / name / "trial.json").read_text() for name in kept}


def test_the_gain_on_the_last_round_is_of_the_best_of_the_rounds_before():
    def trial(*scores: float) -> Trial:
        return Trial("", {}, list(scores))

    preset = trial(0.5, 0.5, 0.5)
    lucky, better = trial(0.9, 0.9, 0.2), trial(0.7, 0.7, 0.6)
    folds = [Fold(Path("a"), str(number), number) for number in range(3)]
    assert gain_on_last_folds(preset, [preset, lucky, better], folds) == pytest.approx(-0.3)
    assert gain_on_last_folds(preset, [preset, better], folds) == pytest.approx(0.1)
    assert gain_on_last_folds(trial(0.5), [trial(0.5), trial(0.6)], folds[:1]) is None


def _noise(drawn: np.random.Generator, settings: dict[str, Any], fold: Fold) -> float:
    return float(drawn.normal())


def test_on_noise_nothing_is_gained_on_the_last_round_though_the_best_looks_better(tmp_path):
    gains, looks = [], []
    for number in range(6):
        drawn = np.random.default_rng(number)
        tuning = tuning_in(tmp_path / str(number), 8)
        search(tuning, functools.partial(_noise, drawn))
        summary = summarise(tuning)
        gains.append(summary["gain_on_last_folds"])
        looks.append(summary["gain"])
    assert np.mean(looks) > 0.7
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(len(gains))


def test_the_verdict_says_when_the_gain_is_of_chance():
    summary = {"goal": "acc", "folds": [1, 2], "best": "trial-003", "gain": 1.5, "better_on": 1, "num_failed": 0}
    summary |= {"simulated": False, "preset": {"mean": 50.0}, "gain_on_last_folds": -0.25}
    assert verdict(summary) == [
        "trial-003 has acc 51.5, the preset 50.0; it is better on 1 of 2 folds.",
        "The best trial of the folds before the last round gains -0.2 on the last one.",
        "So the search found nothing that new videos are likely to gain from.",
        "It was chosen by these scores, so they are too high for new videos. Only training videos were scored.",
    ]
    assert (
        verdict(summary | {"simulated": True})[0]
        == "The videos are simulated, so these settings say nothing about real ones."
    )


def test_a_folder_has_one_search(tmp_path):
    tuning_in(tmp_path / "out")
    with pytest.raises(InputError, match=r"out has a search that differs in goal: skill, not acc; give another --out"):
        tuning_in(tmp_path / "out", goal="acc")
    with pytest.raises(InputError, match=r"a search that differs in search, lr: 0.0001..0.01, not 0.0001..0.001"):
        tuning_in(tmp_path / "out", space=["lr=1e-4..1e-3"])
    (tmp_path / "out" / "search.json").write_text("{")
    with pytest.raises(InputError, match=r"search.json cannot be read \(.+\); give another --out"):
        tuning_in(tmp_path / "out")
    (tmp_path / "out" / "search.json").write_text("[" * 200_000)
    with pytest.raises(InputError, match="cannot be read"):
        tuning_in(tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [
        {"state": "won"},
        {"settings": {"lr": 1.0}},
        {"settings": 5},
        {"settings": {"lr": "x", "maps": 8}},
        {"settings": {"lr": 9.0, "maps": 8}},
        {"settings": {"lr": 1e-3, "maps": 9}},
        {"scores": [1.0]},
        {"scores": "123"},
        {"scores": [10**400, 1, 1]},
        {"scores": ["high"]},
        {"scores": [float("nan")]},
        {"scores": []},
        {"scores": None},
    ],
)
def test_a_damaged_trial_is_refused_in_a_line(tmp_path, change):
    search(tuning_in(tmp_path / "out", 1), by_rate)
    file = tmp_path / "out" / "trial-000" / "trial.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(
        InputError, match=r"is not as 'tune' writes it for this search; remove its folder|cannot be read"
    ):
        tuning_in(tmp_path / "out", 1)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"progress": {"predicted": {"skill": null}}}', '{"progress": {"predicted": {"skill": true}}}'],
)
def test_a_run_without_the_score_fails_its_trial(tmp_path, content):
    tuning = tuning_in(tmp_path / "out")
    [plan] = tuning.first_runs(1)
    make(plan, 0.5)
    plan.run.metrics.write_text(content)
    assert tuning.next_runs(plan, None) == []
    assert re.search("has no skill to compare trials by|cannot be read", tuning.preset.reason)


def test_a_space_is_read_by_the_type_of_each_setting():
    space = read_space(["--lr=3e-4..3e-3", "epochs=20..60", "class-weights=none,balanced", "causal=on,off"], DEFAULT)
    assert {name: str(one) for name, one in space.items()} == {
        "lr": "FloatDistribution(high=0.003, log=True, low=0.0003, step=None)",
        "epochs": "IntDistribution(high=60, log=False, low=20, step=1)",
        "class_weights": "CategoricalDistribution(choices=('none', 'balanced'))",
        "causal": "CategoricalDistribution(choices=(True, False))",
    }
    assert own_point(space, DEFAULT) == {"lr": 0.001, "epochs": 40, "class_weights": "none", "causal": True}
    assert own_point(read_space(["lr=2e-3..3e-3"], DEFAULT), DEFAULT) is None


def test_what_is_usually_searched_contains_the_default():
    assert own_point(read_space(USUAL, DEFAULT), DEFAULT) is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr", r"--search lr: expected NAME=LOW\.\.HIGH or NAME=A,B,C"),
        ("lr=", "expected NAME=LOW"),
        ("learning=1..2", "there is no setting learning; these can be searched: stages, "),
        ("seed=1..5", "there is no setting seed"),
        ("epochs=1.5..3", "expected a whole number, not '1.5'"),
        ("lr=a..b", "expected a finite number, not 'a'"),
        ("lr=3e-3..3e-4", "3e-3 is not below 3e-4"),
        ("lr=nan..1", "expected a finite number, not 'nan'"),
        ("maps=8," + "9" * 400, "expected a whole number, not '999"),
        ("dropout=0.5..1", r"--search dropout=0.5..1: --dropout is 1.0; it must be in \[0, 1\)"),
        ("arrangement=series,both", "expected one of series, parallel, not 'both'"),
        ("arrangement=series..parallel", "only numbers have a range"),
        ("causal=1,0", "expected one of on, off, not '1'"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_line(text, message):
    with pytest.raises(InputError, match=message):
        read_space([text], DEFAULT)


def test_a_setting_is_searched_once():
    with pytest.raises(InputError, match="--search has lr twice"):
        read_space(["lr=1e-4..1e-3", "lr=1,2"], DEFAULT)


def test_a_preset_file_has_what_differs_from_a_built_in_preset(tmp_path):
    file = tmp_path / "mine.yaml"
    write_preset(file, "reference", {"maps": 8, "lr": 0.002}, "found\nby hand")
    assert yaml.safe_load(file.read_text()) == {"preset": "reference", "model": {"maps": 8}, "training": {"lr": 0.002}}
    config = train.Command.parse(["--preset", str(file), "--epochs", "3"]).config
    assert (config.model.maps, config.training.lr, config.training.epochs) == (8, 0.002, 3)
    assert config.model.arrangement == PRESETS["reference"].model.arrangement
    assert title_of(config.preset, "", "none") == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "is no preset: expected 'preset: default' and sections"),
        ("preset: best", "preset is 'best'; it is one of reference, default, offline"),
        ("dataset: x", "'dataset' is no section of settings; these are model, loss, training, decoding, and 'preset'"),
        ("model: 5", "expected names and values of settings in model, found 5"),
        ("model: {laers: 5}", "model has no setting 'laers'; it has stages, "),
        ("model: {layers: five}", "layers is 'five', expected a int"),
        ("model: {dropout: 2}", r"--dropout is 2\.0; it must be in"),
        ("model: [", "is not YAML"),
        ("training: {epochs: 5, epochs: 6}", "it has 'epochs' twice"),
        ("a: &x 1\nb: *x", "it has an alias"),
    ],
)
def test_a_file_that_is_no_preset_is_refused_in_a_line(tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_preset(str(file))
    assert str(caught.value).startswith(str(file))


def test_a_preset_that_is_nowhere_is_refused(capsys):
    assert exit_code("train", "--preset", "best.yaml") == 1
    assert "expected one of reference, default, offline, or a YAML file, and there is none" in capsys.readouterr().err


def two_people(path: Path, seed: int = 0) -> Path:
    """A dataset of two people in the training part and one who is tested."""
    videos = [tiny_video(f"v{number}", seed + number) for number in range(3)]
    info = DatasetInfo("tiny", ["a", "b", "c", "d"], [0], 5.0, {"1": {"train": ["v0", "v1"], "test": ["v2"]}})
    with write_dataset(path, info, {"features": FeatureSet(6)}) as writer:
        for number, video in enumerate(videos):
            writer.add(dataclasses.replace(video, subject=f"person {number}"))
    return path


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[PlannedRun]:
    """The runs that the command makes, in place of training."""
    made: list[PlannedRun] = []

    def do_jobs(jobs: Sequence[Job], engine: Any, out: Path, console: Any, next_jobs: Any, **given: Any) -> None:
        waiting = [*jobs]
        while waiting:
            job = waiting.pop(0)
            plan = job.command.__self__  # type: ignore[attr-defined]
            if not job.is_done():
                made.append(plan)
                make(plan, plan.config.training.lr)
            waiting += next_jobs(job, None)

    monkeypatch.setattr(tune, "do_jobs", do_jobs)
    return made


class MakesRuns(Engine):
    """Runs are made at once. With several workers, nobody sees them end: the last worker interrupts the command."""

    def __init__(self, workers: int):
        self.workers, self._made = workers, 0

    def submit(self, job: Job) -> Future[Outcome]:
        plan, ended = job.command.__self__, Future[Outcome]()  # type: ignore[attr-defined]
        make(plan, plan.config.training.lr)
        self._made += 1
        if self.workers == 1:
            ended.set_result(Outcome("done"))
        elif self._made == self.workers:
            ended.set_exception(KeyboardInterrupt())
        return ended

    def close(self) -> None: ...


def test_runs_whose_ends_nobody_saw_are_done_when_the_search_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(WorkFlags, "engine", lambda work, out, first: MakesRuns(work.workers))
    data, out = two_people(tmp_path / "mine.h5"), tmp_path / "out"
    flags = (data, "--folds", 2, "--trials", 2, "--search", "lr=1e-4..1e-2", "--out", out)
    assert exit_code("tune", *flags, "--workers", 3) == 128 + signal.SIGINT
    unseen = Manifest(manifest_of(out)).jobs
    assert [job["state"] for job in unseen.values()] == ["failed"] * 3, "their ends are not known"
    assert exit_code("tune", *flags, "--workers", 1) == 0
    jobs = Manifest(manifest_of(out)).jobs
    assert [job["state"] for job in jobs.values()] == ["done"] * 6
    assert [name for name, job in jobs.items() if "attempts" not in job] == [*unseen], "they were not made again"


def test_the_command_divides_training_people_and_looks_at_no_test_video(tmp_path, launched, capsys):
    data, out = two_people(tmp_path / "mine.h5"), tmp_path / "out"
    flags = ("--folds", 2, "--trials", 3, "--search", "lr=1e-4..1e-2", "--out", out, "--maps", 8)
    assert exit_code("tune", data, *flags) == 0
    assert len(launched) == 8
    for plan in launched:
        dataset = Dataset(plan.config.dataset)
        assert "v2" not in dataset.num_frames
        train_people, test_people = (
            {dataset.attribute(video, "subject") for video in dataset.part(plan.config.split, part)}
            for part in ("train", "test")
        )
        assert not train_people & test_people
        assert plan.config.model.maps == 8
    assert "gains" in capsys.readouterr().out
    best = read_preset(str(out / "best.yaml"))
    assert (best.model.maps, best.training.lr) == (8, max(plan.config.training.lr for plan in launched))
    assert exit_code("tune", data, *flags, "--json") == 0
    assert len(launched) == 8
    assert len(json.loads(capsys.readouterr().out)["trials"]) == 3


def test_splits_of_a_held_out_file_are_the_folds(tmp_path, launched):
    assert (
        exit_code("hold-out", two_people(tmp_path / "mine.h5"), "--split", 1, "--folds", 2, "--out", tmp_path / "h.h5")
        == 0
    )
    assert (
        exit_code("tune", tmp_path / "h.h5", "--trials", 1, "--search", "lr=1e-4..1e-2", "--out", tmp_path / "out") == 0
    )
    assert sorted(plan.config.split for plan in launched) == ["1-0", "1-0", "1-1", "1-1"]
    assert {plan.config.dataset for plan in launched} == {str(tmp_path / "h.h5")}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--folds", "3"], "--folds is 3; split 1 trains on 2 people or videos"),
        (["--split", "9"], "no split"),
        (["--search", "seed=1,2"], "there is no setting seed"),
        (["--title", "x"], "--title is for one run"),
        (["--dataset", "x"], "name the datasets without --dataset"),
        (["--search", "lr=1e-4..1e-3", "--lr", "1e-3"], "lr is given by a flag as well"),
        (["--trials", "0"], "--trials is 0; it must be from 1"),
        (["--workers", "0"], "--workers is 0; it must be at least 1"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_a_line(tmp_path, launched, capsys, flags, message):
    assert exit_code("tune", two_people(tmp_path / "mine.h5"), "--folds", 2, "--out", tmp_path / "out", *flags) == 1
    assert message in capsys.readouterr().err
    assert launched == []


def test_a_number_without_a_point_is_a_number_in_a_preset_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("training: {lr: 3e-4, weight_decay: 1E2}")
    training = read_preset(str(tmp_path / "mine.yaml")).training
    assert (training.lr, training.weight_decay) == (3e-4, 100.0)


def test_what_a_flag_sets_is_not_searched_unless_it_is_named():
    assert "epochs" in read_space(USUAL, DEFAULT)
    assert "epochs" not in read_space(USUAL, DEFAULT, ["--epochs", "5"])


def test_a_pair_of_splits_is_a_fold_of_its_first(tmp_path, launched, capsys):
    videos = {
        str(split): {"train": [f"v{n}" for n in range(3) if n != split], "test": [f"v{split}"]} for split in range(3)
    }
    info = DatasetInfo("tiny", ["a", "b", "c", "d"], [0], 5.0, videos)
    with write_dataset(tmp_path / "d.h5", info, {"features": FeatureSet(6)}) as writer:
        for number in range(3):
            writer.add(dataclasses.replace(tiny_video(f"v{number}", number), subject=f"person {number}"))
    assert exit_code("hold-out", tmp_path / "d.h5", "--across", 0, 1, 2, "--out", tmp_path / "h.h5") == 0
    flags = ("--trials", 1, "--search", "lr=1e-4..1e-2", "--out", tmp_path / "out")
    assert exit_code("tune", tmp_path / "h.h5", "--split", 1, *flags) == 0
    assert {plan.config.split for plan in launched} == {"1-0", "1-2"}
    assert exit_code("tune", tmp_path / "h.h5", "--split", 9, *flags) == 1
    assert "holds out no videos of split 9" in capsys.readouterr().err


def test_a_search_continues_on_its_own_data_alone(tmp_path, launched, capsys):
    data, out = two_people(tmp_path / "mine.h5"), tmp_path / "out"
    flags = ("--folds", 2, "--trials", 1, "--search", "lr=1e-4..1e-2", "--out", out)
    assert exit_code("tune", data, *flags, "--threads", 2) == 0
    assert exit_code("tune", data, *flags) == 0, "where it is computed may change"
    for change in (["--seed", 1], ["--maps", 8], ["--goal", "acc"]):
        assert exit_code("tune", data, *flags, *change) == 1
    (tmp_path / "other").mkdir()
    assert exit_code("tune", two_people(tmp_path / "other" / "mine.h5", seed=5), *flags) == 1
    assert "a search that differs in datasets" in capsys.readouterr().err
    assert len(launched) == 4


def test_settings_are_not_tried_twice_and_a_small_space_ends_the_search(tmp_path):
    tuning = tuning_in(tmp_path / "out", 9, space=["causal=on,off", "maps=32,64"])
    search(tuning, lambda settings, fold: 0.5)
    tried = [tuple(trial.settings.values()) for trial in tuning.trials]
    assert sorted(tried) == [(False, 32), (False, 64), (True, 32)], "the preset is the fourth"


def test_a_switch_is_given_only_where_it_differs():
    base = with_settings(DEFAULT, {"cross_fit": False})
    assert flags_of({"cross_fit": False, "maps": 8}, base) == ["--maps", "8"]
    assert flags_of({"cross_fit": True}, base) == ["--cross-fit"]
    assert flags_of({"cross_fit": False}, DEFAULT) == ["--no-cross-fit"]
