"""Evaluating a run: predict its test videos, score them, and leave tables and pictures in its directory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from pathlib import Path

from protas_gtcc.dataset.file import DRAW_A_SPLIT, Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError, listed, plain, plural
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.metrics.evaluation import Evaluation, evaluate_prediction_files, save_evaluation
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.metrics.video_skill import VideoSkill, video_skill
from protas_gtcc.network.checkpoint import ModelFacts
from protas_gtcc.predictions import JoinedSet, Prediction, PredictionInfo
from protas_gtcc.report.detail_files import save_detail_tables
from protas_gtcc.report.detail_plots import plot_details
from protas_gtcc.report.plots import picture_names
from protas_gtcc.report.video_picture import plot_video
from protas_gtcc.report.video_sheet import SheetVideo, plot_sheet
from protas_gtcc.runs.known_procedures import scorer_of
from protas_gtcc.training.run_directory import RunDirectory, is_over


def evaluate_run(
    run: RunDirectory,
    dataset: Dataset,
    split: str,
    feature_set: str | None = None,
    device: str = "cpu",
    max_pictures: int = 40,
    out: Path | None = None,
    task_given: bool = False,
    lag_seconds: float | None = None,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Evaluation:
    """Score a run on a split's test videos; writes predictions.h5, metrics.json, per_class.csv, tables/ and plots/.

    They go into the run directory, or into the folder `out`. Pictures are drawn of the classes, of the detailed figures
    and of the first `max_pictures` videos; 0 draws none. With `task_given` the model gets the task of each video; else
    it infers it. `lag_seconds` is as in `TrainedModel.set_lag`, by default that of the run. `on_progress` is called
    with what is done, of how many videos and of all. Raises `InputError` if the run has no checkpoint, its classes or
    features are not the dataset's, it was trained on a test video, or the model does not know the given task of one.
    """
    model, results = load(run.path, device), RunDirectory(out or run.path)
    if lag_seconds is not None:
        model.set_lag(lag_seconds)
    videos, feature_set = test_videos(dataset, split, feature_set)
    require_same_classes(model, dataset)
    require_unseen(model, dataset, videos)
    require_same_features(model, dataset, feature_set)
    simulated = dataset.info.simulated or model.facts.simulated
    extractor = dataset.feature_set(feature_set).extractor
    info = PredictionInfo(
        model.class_names,
        dataset.info.background,
        dataset.info.fps,
        simulated,
        extractor,
        model.tasks,
        dataset.info.class_colours,
        model.lag_seconds,
    )
    tasks = {video: dataset.attribute(video, "task") if task_given else None for video in videos}
    for video, task in tasks.items():
        _require_task(model, dataset, video, task)
    features = FeatureReader(dataset, feature_set, split, model.facts.config.control)
    watched = _watched(videos, "predict", on_progress)
    write_predictions(results.predictions, _predictions(model, dataset, watched, features, tasks), info)
    evaluation = _score(run, results, model, dataset, split, feature_set, task_given)
    save_detail_tables(evaluation.metrics, results.tables)
    if max_pictures:
        plot_details(results.plots, evaluation.metrics)
        skill = video_skill(dataset, dataset.part(split, "train"), evaluation.metrics)
        names = picture_names(videos[:max_pictures])
        _draw_pictures(results, dataset, _watched([*names], "draw", on_progress), names, skill, len(videos))
    # Last: where it stands, the evaluation is whole.
    save_evaluation(evaluation, results.path)
    return evaluation


def _score(
    run: RunDirectory,
    results: RunDirectory,
    model: TrainedModel,
    dataset: Dataset,
    split: str,
    feature_set: str,
    task_given: bool,
) -> Evaluation:
    """Score what was predicted, procedures too where the model follows them."""
    config, scorer = model.facts.config, scorer_of(model, dataset, dataset.part(split, "test"))
    return evaluate_prediction_files(
        results.predictions,
        dataset,
        split,
        feature_set,
        config.training.seed,
        config.control,
        _reservations(run, model, dataset),
        task_given,
        None if scorer is None else scorer.row,
    )


def test_videos(dataset: Dataset, split: str, feature_set: str | None) -> tuple[list[str], str]:
    """Names of a split's test videos, and the feature set to use. `InputError` if there is none, or one lacks them."""
    videos = dataset.part(split, "test")
    if not videos:
        raise InputError(f"{dataset.path}: split {split} has no test videos; list some, or {DRAW_A_SPLIT}")
    feature_set = dataset.choose_feature_set(split, feature_set)
    for name in dataset.set_names(feature_set):
        lacking = [video for video in videos if not dataset.has_features(video, name)]
        if lacking:
            what = f"test videos {listed(lacking)} of split {split} have no {name}"
            raise InputError(f"{dataset.path}: {what}; give another --feature-set")
    return videos, feature_set


def _predictions(
    model: TrainedModel,
    dataset: Dataset,
    videos: Iterable[str],
    features: FeatureReader,
    tasks: Mapping[str, str | None],
) -> Iterator[tuple[str, Prediction]]:
    for video in videos:
        try:
            yield video, model.predict(features.read(video), task=tasks[video])
        except InputError as error:
            raise InputError(f"{dataset.path}, video {video}: {error}") from error


def _watched(videos: list[str], what: str, on_progress: Callable[[str, int, int], None]) -> Iterator[str]:
    for done, video in enumerate(videos):
        on_progress(what, done, len(videos))
        yield video
    on_progress(what, len(videos), len(videos))


def _reservations(run: RunDirectory, model: TrainedModel, dataset: Dataset) -> Iterator[str]:
    """What the scores should be read with."""
    training, control = model.facts.config.training, model.facts.config.control
    if control != "none":
        yield f"the features were replaced by the control {control!r}, in training and here"
    rows = run.read_log() if run.log.is_file() else None
    if rows is not None and not is_over(rows, training.epochs, training.patience):
        yield f"the run is not finished: {len(rows)} of {plural(training.epochs, 'epoch')} (--resume continues)"
    elif model.facts.awaits_calibration:
        yield "the run is not finished: its filter is not calibrated (--resume continues)"
    elif model.facts.calibration:
        yield model.facts.calibration
    if model.lag_seconds:
        known = "the whole video is" if model.lag_seconds == inf else f"{model.lag_seconds:g} s after it are"
        yield f"each frame is reported once {known} known"
    if model.facts.fps is not None and model.facts.fps != dataset.info.fps:
        here = f"these videos have {plain(dataset.info.fps)}"
        yield f"the model was trained at {plain(model.facts.fps)} frames a second, {here}"


def _draw_pictures(
    run: RunDirectory,
    dataset: Dataset,
    videos: Iterable[str],
    names: Mapping[str, str],
    skill: VideoSkill | None,
    num_test_videos: int,
) -> None:
    """Draw each of these videos with its predictions, and all on one sheet, into the run's plots/.

    `names` are those of their files.
    """
    files = open_predictions(run.predictions)
    own = dataset.info
    info = PredictionInfo(own.class_names, own.background, own.fps, own.simulated, class_colours=own.class_colours)
    drawn = []
    for video in videos:
        labels, prediction = dataset.labels(video), files.read(video)
        own_skill = None if skill is None else skill.of(labels, prediction.reported)
        plot_video(run.plots / names[video], video, labels, prediction, info, own_skill)
        drawn.append(SheetVideo(video, labels, prediction.labels))
    plot_sheet(run.plots / "videos.png", drawn, info, num_test_videos)


def require_unseen(model: TrainedModel, dataset: Dataset, videos: list[str]) -> None:
    """Raise `InputError` if the model was trained on, or chosen by, one of these videos of its own dataset."""
    seen = sorted(set(videos) & set(model.facts.training_videos))
    if seen and model.facts.dataset == dataset.info.name:
        raise InputError(f"the model was trained on {len(seen)} of the test videos, such as {seen[0]}; test on others")


def _require_task(model: TrainedModel, dataset: Dataset, video: str, task: str | None) -> None:
    """Raise `InputError` unless the task of a video can be given to the model."""
    if task == "":
        raise InputError(f"{dataset.path}, video {video} has no task that could be given; leave --task-given out")
    try:
        model.task_number(task)
    except InputError as error:
        raise InputError(f"{dataset.path}, video {video}: {error}") from error


def require_same_features(model: TrainedModel, dataset: Dataset, feature_set: str) -> None:
    """Raise `InputError` if the features are known to differ from those of the training.

    They do if they come from another backbone, and if other sets are joined than for the training, or in another order.
    """
    facts, described, joined = model.facts, dataset.feature_set(feature_set), dataset.joined_sets(feature_set)
    pairs = [(facts.extractor, described.extractor)]
    if facts.joined_sets:
        _require_same_order(facts, joined or [JoinedSet(feature_set, described.dim)], dataset)
        pairs = [(one.extractor, other.extractor) for one, other in zip(facts.joined_sets, joined, strict=False)]
    for ours, theirs in pairs:
        if ours and theirs and not ours.has_backbone_of(theirs):
            what = f"{dataset.path}, {feature_set}: made by {theirs}, and the model was trained on features of {ours}"
            raise InputError(f"{what}; give another --feature-set, or extract with the model's backbone")


def _require_same_order(facts: ModelFacts, found: list[JoinedSet], dataset: Dataset) -> None:
    """Raise `InputError` unless features have the sizes of what was joined for a model, one set of the sum among them.

    Also raise it for sets of the same names in another order, since sizes may be equal.
    """
    names, sizes = ([getattr(one, name) for one in facts.joined_sets] for name in ("name", "dim"))
    is_turned = names != (others := [one.name for one in found]) and sorted(names) == sorted(others)
    if is_turned or [one.dim for one in found] not in (sizes, [facts.feature_dim]):
        what = f"features of {listed(found)}, and the model was trained on {listed(facts.joined_sets)}, joined"
        raise InputError(f"{dataset.path}: {what} in this order; give --feature-set {facts.config.feature_set}")


def require_same_classes(model: TrainedModel, dataset: Dataset) -> None:
    """Raise `InputError` unless the model's classes are the dataset's, in the same order."""
    ours, theirs = model.class_names, dataset.info.class_names
    if len(ours) != len(theirs):
        what = f"the model knows {plural(len(ours), 'class')}, {dataset.path} has {len(theirs)}"
        raise InputError(f"{what}; give a --dataset with the model's classes")
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one != other and one != f"class_{number}":
            what = f"class {number} is {one!r} for the model and {other!r} in {dataset.path}"
            raise InputError(f"{what}; give a --dataset with the model's classes")
