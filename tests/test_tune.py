"""A search makes every trial on the same folds, stops poor ones early, goes on after a kill, and says what it found."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from protas_gtcc.cli.commands import train, tune
from protas_gtcc.config import DEFAULT, PRESETS
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.runs.plans import PlannedRun
from protas_gtcc.runs.run_grid import title_of
from protas_gtcc.runs.search_space import USUAL, own_point, read_space, with_settings
from protas_gtcc.runs.tuning import Fold, Trial, Tuning
from protas_gtcc.runs.tuning_summary import gain_on_folds_left_out, markdown, summarise, verdict, write_best
from protas_gtcc.storage.preset_files import read_preset, write_preset
from protas_gtcc.training.run_directory import RunDirectory
from tests.conftest import tiny_video
from tests.mstcn_folder import exit_code

FOLDS = [Fold(Path("a.h5"), "1-0"), Fold(Path("b.h5"), "1-0"), Fold(Path("a.h5"), "1-1")]
SPACE = ["lr=1e-4..1e-2", "maps=8,16"]
Score = Callable[[dict[str, Any], Fold], float | None]


def tuning_in(out: Path, goal: str = "skill", space: Sequence[str] = SPACE) -> Tuning:
    def plan(trial: Trial, fold: Fold) -> PlannedRun:
        config = dataclasses.replace(DEFAULT, dataset=str(fold.dataset), split=fold.split)
        name = f"{trial.name}/{fold.dataset.stem}-{fold.split}"
        return PlannedRun(name, RunDirectory(out / name), with_settings(config, trial.settings), "run", [])

    out.mkdir(exist_ok=True)
    return Tuning(out, FOLDS, read_space(space, DEFAULT), goal, 0, plan, {})


def make(plan: PlannedRun, skill: float) -> None:
    """A finished run with this skill."""
    plan.run.start(plan.config)
    plan.run.checkpoint.touch()
    plan.run.metrics.write_text(
        json.dumps({"progress": {"predicted": {"skill": skill}}, "segmentation": {"acc": 50.0}})
    )


def search(tuning: Tuning, number: int, score: Score, stop_after: int | None = None) -> list[str]:
    """Make the runs of a search one after another, `score` in place of training; returns their names."""
    waiting = tuning.start(number, 1, own_point(tuning.space, DEFAULT))
    made: list[str] = []
    while waiting and len(made) != stop_after:
        plan = waiting.pop(0)
        made.append(plan.name)
        config = plan.config
        found = score({"lr": config.training.lr, "maps": config.model.maps}, Fold(Path(config.dataset), config.split))
        if found is not None:
            make(plan, found)
        waiting += tuning.follow(plan, "no luck" if found is None else None)
    return made


def by_rate(settings: dict[str, Any], fold: Fold) -> float:
    return settings["lr"] + (0.1 if fold.dataset.stem == "a" else 0)


def test_every_trial_is_made_on_the_folds_in_their_order_the_preset_first(tmp_path):
    made = search(tuning_in(tmp_path / "out"), 2, by_rate)
    expected = [
        f"{trial}/{fold}" for trial in ("preset", "trial-000", "trial-001") for fold in ("a-1-0", "b-1-0", "a-1-1")
    ]
    assert made == expected


def test_the_best_trial_has_the_highest_mean_over_folds_and_becomes_a_preset(tmp_path):
    tuning = tuning_in(tmp_path / "out")
    search(tuning, 12, by_rate)
    summary = summarise(tuning)
    whole = [trial for trial in tuning.trials if trial.state == "complete"]
    best = max(whole, key=lambda trial: trial.settings["lr"])
    assert summary["best"] == best.name
    assert summary["gain"] == pytest.approx(best.settings["lr"] - DEFAULT.training.lr)
    file = write_best(tmp_path / "out", tuning, summary, DEFAULT)
    assert dataclasses.replace(read_preset(str(file)), preset="default") == with_settings(DEFAULT, best.settings)
    rows = markdown(summary).splitlines()
    assert rows[2].startswith("| preset |")
    assert rows[3].startswith(f"| {best.name} |")
    assert "| a | b |" in rows[0]


def test_trials_below_the_median_are_stopped_after_a_fold(tmp_path):
    tuning = tuning_in(tmp_path / "out")
    search(tuning, 30, by_rate)
    stopped = [trial for trial in tuning.trials if trial.state == "pruned"]
    assert stopped
    assert all(len(trial.scores) < len(FOLDS) for trial in stopped)
    assert max(trial.settings["lr"] for trial in stopped) < max(trial.settings["lr"] for trial in tuning.trials)
    assert "stopped after 1 of 3 folds" in markdown(summarise(tuning))


@pytest.mark.parametrize("stop_after", [1, 4, 7, 11])
def test_a_search_that_was_killed_is_continued_and_repeats_no_run(tmp_path, stop_after):
    before = search(tuning_in(tmp_path / "out"), 5, by_rate, stop_after)
    unfinished = {path.parent.name: path.read_text() for path in tmp_path.glob("out/trial-*/trial.json")}
    after_kill = tuning_in(tmp_path / "out")
    after = search(after_kill, 5, by_rate)
    assert not {*before[:-1]} & {*after}
    assert len(after_kill.trials) == 5
    for name, text in unfinished.items():
        [trial] = [one for one in after_kill.trials if one.name == name]
        assert trial.settings == json.loads(text)["settings"]
    assert search(tuning_in(tmp_path / "out"), 5, by_rate) == []
    assert len(search(tuning_in(tmp_path / "out"), 6, by_rate)) in (1, 2, 3)


def test_a_failed_trial_is_named_and_the_search_goes_on(tmp_path):
    tuning = tuning_in(tmp_path / "out")
    search(
        tuning, 4, lambda settings, fold: None if settings["lr"] != DEFAULT.training.lr and fold == FOLDS[1] else 0.5
    )
    assert [trial.state for trial in tuning.trials] == ["failed"] * 4
    assert "failed: no luck" in markdown(summarise(tuning))
    assert "No trial has a better skill than the preset (0.500)" in markdown(summarise(tuning))
    assert write_best(tmp_path, tuning, summarise(tuning), DEFAULT) is None


def test_without_a_score_of_the_preset_there_is_nothing_to_compare(tmp_path):
    tuning = tuning_in(tmp_path / "out")
    search(tuning, 1, lambda settings, fold: None)
    with pytest.raises(InputError, match="the preset itself failed, so there is nothing to compare with: no luck"):
        summarise(tuning)


def test_a_gain_on_chance_alone_is_not_a_gain_on_folds_left_out():
    trials = [[0.5, 0.5, 0.5], [0.9, 0.4, 0.4], [0.4, 0.9, 0.4], [0.4, 0.4, 0.9]]
    gain = gain_on_folds_left_out(trials[0], trials)
    # By brute force: without fold 0, trials 2 and 3 have .65 in the mean, and .4 on it, where the preset has .5.
    assert gain == pytest.approx(-0.1)
    assert gain_on_folds_left_out([0.5], [[0.5], [0.6]]) is None
    assert gain_on_folds_left_out(trials[0], [trials[0], [0.6, 0.6, 0.6]]) == pytest.approx(0.1)


def test_the_verdict_says_when_the_gain_is_of_chance(tmp_path):
    summary = {"goal": "acc", "folds": [1, 2], "best": "trial-003", "gain": 1.5, "better_on": 1}
    lines = verdict({**summary, "preset": {"mean": 50.0}, "gain_on_folds_left_out": -0.25})
    assert lines[0] == "trial-003 has acc 51.5, the preset 50.0; it is better on 1 of 2 folds."
    assert lines[1] == "Chosen without a fold and scored on it, the best trial gains -0.2 in the mean."
    assert lines[2] == "So the search found nothing that other people are likely to gain from."
    assert "they flatter it" in lines[3]


def test_a_folder_has_one_search(tmp_path):
    tuning_in(tmp_path / "out")
    with pytest.raises(InputError, match=r"out has a search with another goal: skill; give another --out"):
        tuning_in(tmp_path / "out", goal="acc")
    with pytest.raises(InputError, match="another search"):
        tuning_in(tmp_path / "out", space=["lr=1e-4..1e-3"])


def test_a_run_without_the_score_fails_its_trial(tmp_path):
    tuning = tuning_in(tmp_path / "out", goal="edit")
    search(tuning, 1, by_rate)
    assert tuning.preset.state == "failed"
    assert "has no edit to compare trials by" in tuning.preset.reason


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
        ("lr=a..b", "expected a number, not 'a'"),
        ("lr=3e-3..3e-4", "3e-3 is not below 3e-4"),
        ("lr=nan..1", "expected a finite number, not nan"),
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
        ("model: 5", "'model' is no section"),
        ("model: {laers: 5}", "model has no setting 'laers'; it has stages, "),
        ("model: {layers: five}", "layers is 'five', expected a int"),
        ("model: {dropout: 2}", r"--dropout is 2\.0; it must be in"),
        ("model: [", "is not YAML"),
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
    assert "expected one of reference, default, offline, or a YAML file, and there is no" in capsys.readouterr().err


def two_people(path: Path) -> Path:
    """A dataset of two people in the training part and one who is tested."""
    videos = [tiny_video(f"v{number}", number) for number in range(3)]
    info = DatasetInfo("tiny", ["a", "b", "c", "d"], [0], 5.0, {"1": {"train": ["v0", "v1"], "test": ["v2"]}})
    with write_dataset(path, info, {"features": FeatureSet(6)}) as writer:
        for number, video in enumerate(videos):
            writer.add(dataclasses.replace(video, subject=f"person {number}"))
    return path


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[PlannedRun]:
    """The runs that the command makes, in place of training."""
    made: list[PlannedRun] = []

    def launch(plans: Sequence[PlannedRun], *args: Any, follow: Any, **kwargs: Any) -> dict[str, str]:
        waiting = list(plans)
        while waiting:
            plan = waiting.pop(0)
            made.append(plan)
            make(plan, plan.config.training.lr)
            waiting += follow(plan, None)
        return {}

    monkeypatch.setattr(tune, "launch", launch)
    return made


def test_the_command_divides_training_people_and_looks_at_no_test_video(tmp_path, launched, capsys):
    data, out = two_people(tmp_path / "mine.h5"), tmp_path / "out"
    flags = ("--folds", 2, "--trials", 3, "--search", "lr=1e-4..1e-2", "--out", out, "--maps", 8)
    assert exit_code("tune", data, *flags) == 0
    assert len(launched) == 8
    for plan in launched:
        dataset = Dataset(plan.config.dataset)
        assert "v2" not in dataset.num_frames
        assert dataset.part(plan.config.split, "train") != dataset.part(plan.config.split, "test")
        assert plan.config.model.maps == 8
    assert "Chosen without a fold and scored on it" in capsys.readouterr().out
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
        (["--trials", "0"], "--trials is 0; it must be from 1"),
        (["--jobs", "0"], "--jobs is 0; it must be at least 1"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_a_line(tmp_path, launched, capsys, flags, message):
    assert exit_code("tune", two_people(tmp_path / "mine.h5"), "--folds", 2, "--out", tmp_path / "out", *flags) == 1
    assert message in capsys.readouterr().err
    assert launched == []
