"""Several feature sets of one file at once, `rgb+hands`: as if the file had one set that is their concatenation."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from protas_gtcc.alignment.aligned_features import write_aligned
from protas_gtcc.alignment.config import AlignmentDirectory
from protas_gtcc.alignment.training import align
from protas_gtcc.cli.main import main
from protas_gtcc.config import RunConfig
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.reader import FeatureReader, feature_statistics
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.inference import load
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.network.checkpoint import load_checkpoint, save_checkpoint
from protas_gtcc.predictions import Extractor, JoinedSet
from protas_gtcc.runs.evaluate_run import evaluate_run
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import train
from tests.conftest import alignment_config, tiny_config, tiny_video, write_videos

NAMES = [f"video{number}" for number in range(10)]
JOINED = "rgb+hands"
JOINING = "join rgb (4), hands (2) along D, in this order"


def parts_of(video: Video) -> dict[str, np.ndarray]:
    """Two sets of very different scale; `hands` come first in the file's alphabet."""
    features = video.features["features"]
    return {"rgb": features[:, :4], "hands": 100 * features[:, 4:] + 7}


def concatenated(video: Video) -> np.ndarray:
    return np.concatenate(list(parts_of(video).values()), axis=1)


def write_each(path: Path, features: Mapping[str, Mapping[str, np.ndarray]], **sets: FeatureSet) -> Path:
    """A file of the tiny videos with these features; the sets are described."""
    splits = {"1": {"train": NAMES[:8], "test": NAMES[8:]}, "2": {"train": NAMES[2:], "test": NAMES[:2]}}
    info = DatasetInfo("tiny", ["rest", "cut", "mix", "serve"], [0], 5.0, splits)
    with write_dataset(path, info, sets) as writer:
        for number, name in enumerate(NAMES):
            writer.add(dataclasses.replace(tiny_video(name, number), features=features[name]))
    return path


@pytest.fixture(scope="module")
def videos() -> list[Video]:
    return [tiny_video(name, number) for number, name in enumerate(NAMES)]


@pytest.fixture(scope="module")
def two_sets(videos, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("two") / "tiny.h5"
    return write_videos(path, [dataclasses.replace(one, features=parts_of(one)) for one in videos], 8, "tiny")


@pytest.fixture(scope="module")
def one_set(videos, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("one") / "tiny.h5"
    return write_videos(
        path, [dataclasses.replace(one, features={"features": concatenated(one)}) for one in videos], 8, "tiny"
    )


def config_of(dataset: Path, feature_set: str | None, **changes: object) -> RunConfig:
    config = tiny_config(dataset, "default", epochs=1)
    return dataclasses.replace(config, feature_set=feature_set, **changes)  # type: ignore[arg-type]


def trained(dataset: Path, out: Path, feature_set: str | None, **changes: object) -> RunDirectory:
    run = RunDirectory(out)
    train(config_of(dataset, feature_set, **changes), Dataset(dataset), run)
    return run


@pytest.fixture(scope="module")
def run(two_sets, tmp_path_factory) -> RunDirectory:
    run = trained(two_sets, tmp_path_factory.mktemp("runs") / "joined", JOINED)
    evaluate_run(run, Dataset(two_sets), "1", JOINED, max_pictures=0)
    return run


def refusal(capsys, *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main([str(one) for one in arguments])
    assert stop.value.code == 1
    message = capsys.readouterr().err.strip()
    assert "\n" not in message
    return message


# What is read


@pytest.mark.parametrize("names", [["rgb", "hands"], ["hands", "rgb"]])
def test_joined_features_are_numpys_concatenation_in_the_order_named(two_sets, videos, names):
    dataset = Dataset(two_sets)
    for video in videos:
        expected = np.concatenate([parts_of(video)[name] for name in names], axis=1)
        np.testing.assert_array_equal(dataset.features(video.name, "+".join(names)), expected)
        np.testing.assert_array_equal(dataset.features(video.name, "+".join(names), 3, 11), expected[3:11])
    assert dataset.feature_set("+".join(names)).dim == 6


def test_a_set_of_just_that_name_is_meant_first(videos, tmp_path):
    own = {one.name: {JOINED: concatenated(one)[:, :1], **parts_of(one)} for one in videos}
    sets = {"rgb": FeatureSet(4), "hands": FeatureSet(2), JOINED: FeatureSet(1)}
    dataset = Dataset(write_each(tmp_path / "three.h5", own, **sets))
    assert dataset.choose_feature_set("1", JOINED) == JOINED
    assert dataset.joined_sets(JOINED) == []
    np.testing.assert_array_equal(dataset.features("video0", JOINED), own["video0"][JOINED])
    assert dataset.features("video0", "hands+rgb").shape[1] == 6


def test_joined_sets_look_ahead_as_far_as_any_and_are_tied_as_one_of_them(videos, tmp_path):
    sets = {"rgb_split1": FeatureSet(4, look_ahead_frames=8, split="1"), "hands": FeatureSet(2, look_ahead_frames=3)}
    features = {one.name: dict(zip(sets, parts_of(one).values(), strict=True)) for one in videos}
    dataset = Dataset(write_each(tmp_path / "tied.h5", features, **sets))
    name = dataset.choose_feature_set("1", JOINED)
    assert name == "rgb_split1+hands"
    assert dataset.feature_set(name) == FeatureSet(6, look_ahead_frames=8, split="1")
    assert dataset.feature_kind(name) == "rgb of the split+hands"
    with pytest.raises(InputError, match="has feature set 'rgb' for split 1, not for split 2; make it for that split"):
        dataset.choose_feature_set("2", JOINED)


@pytest.mark.parametrize("control", ["none", "noise", "index", "shuffle"])
def test_controls_see_joined_sets_as_one(two_sets, one_set, control):
    joined = FeatureReader(Dataset(two_sets), JOINED, "1", control)
    alone = FeatureReader(Dataset(one_set), "features", "1", control)
    np.testing.assert_array_equal(joined.read("video9", 2, 20), alone.read("video9", 2, 20))


# What is refused


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("rgb+flow", "tiny.h5 has no feature set 'flow'; choose one of hands, rgb"),
        ("rgb+", "tiny.h5 has no feature set ''; choose one of hands, rgb"),
        ("rgb+hands+rgb", r"tiny.h5: --feature-set rgb\+hands\+rgb names rgb twice; name each set once"),
    ],
)
def test_names_that_cannot_be_joined_are_refused(two_sets, wanted, message):
    with pytest.raises(InputError, match=message):
        Dataset(two_sets).choose_feature_set("1", wanted)


def test_sets_that_are_tied_to_different_splits_are_refused(videos, tmp_path):
    sets = {"rgb": FeatureSet(4, split="1"), "hands": FeatureSet(2, split="2")}
    dataset = Dataset(write_each(tmp_path / "tied.h5", {one.name: parts_of(one) for one in videos}, **sets))
    with pytest.raises(InputError, match="'hands' was made for split 2; it cannot be used with split 1: choose anoth"):
        dataset.choose_feature_set("1", JOINED)
    with pytest.raises(InputError, match="rgb is for split 1 and hands is for split 2, so that no split can use them"):
        dataset.feature_set(JOINED)


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        ("video9", "some.h5: test videos video9 of split 1 have no hands; give another --feature-set"),
        ("video3", "some.h5: video video3 has no feature set 'hands'; it has rgb"),
    ],
)
def test_a_video_that_lacks_one_of_the_sets_is_named(videos, tmp_path, capsys, lacking, message):
    features = {one.name: parts_of(one) for one in videos}
    del features[lacking]["hands"]
    path = write_each(tmp_path / "some.h5", features, rgb=FeatureSet(4), hands=FeatureSet(2))
    assert not Dataset(path).has_features(lacking, JOINED)
    assert message in refusal(capsys, "run", "--dataset", path, "--feature-set", JOINED, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


# Training and scores


def test_training_on_joined_sets_equals_training_on_their_concatenation(run, two_sets, one_set, tmp_path):
    alone = trained(one_set, tmp_path / "alone", None)
    evaluate_run(alone, Dataset(one_set), "1", max_pictures=0)
    ours, theirs = (load_checkpoint(one.checkpoint)[0].state_dict() for one in (run, alone))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(values, theirs[name]) for name, values in ours.items())
    for video in NAMES[8:]:
        one, other = (open_predictions(each.predictions).read(video) for each in (run, alone))
        np.testing.assert_array_equal(one.probs, other.probs)
        np.testing.assert_array_equal(one.reported, other.reported)


def test_each_set_is_standardised_by_itself(run, two_sets):
    dataset, network = Dataset(two_sets), load(run.path).network
    each = [feature_statistics(dataset.features(video, name) for video in NAMES[:8]) for name in ("rgb", "hands")]
    means = np.concatenate([mean for mean, _ in each])
    np.testing.assert_array_equal(network.feature_mean.numpy(), means)
    assert abs(means[4:]).min() > 3 * abs(means[:4]).max()


def test_the_checkpoint_says_what_was_joined_and_keeps_it(run, tmp_path):
    model = load(run.path)
    assert model.facts.joined_sets == [JoinedSet("rgb", 4), JoinedSet("hands", 2)]
    assert "6 dimensions, 5 fps, 0 look-ahead frames, joined of rgb (4), hands (2)" in repr(model)
    save_checkpoint(tmp_path / "again.safetensors", model.network, model.facts)
    assert load_checkpoint(tmp_path / "again.safetensors")[1].joined_sets == model.facts.joined_sets
    wrong = dataclasses.replace(model.facts, joined_sets=[JoinedSet("rgb", 4)])
    save_checkpoint(tmp_path / "again.safetensors", model.network, wrong)
    with pytest.raises(InputError, match="joined_sets cannot be"):
        load_checkpoint(tmp_path / "again.safetensors")


@pytest.mark.slow
def test_cross_validation_and_evaluation_take_joined_sets(two_sets, tmp_path, capsys):
    tiny = ["--stages", "1", "--layers", "2", "--maps", "4", "--epochs", "1", "--feature-set", JOINED]
    out = tmp_path / "runs"
    main(["cross-validate", "--dataset", str(two_sets), "--seeds", "1", "--control", "none", "--out", str(out), *tiny])
    (folder,) = [path.parent for path in out.rglob("metrics.json")]
    assert folder.parent.name == f"default-{JOINED}"
    capsys.readouterr()
    main(["evaluate", str(folder), "--pictures", "0"])
    assert f"feature set {JOINED}" in capsys.readouterr().out


def with_backbone(path: Path, videos: list[Video], backbone: str, hands: int = 2) -> Dataset:
    """The file, in which a backbone made `rgb`."""
    rgb, features = FeatureSet(4, extractor=Extractor(backbone, "f00", 5.0)), {}
    for video in videos:
        parts = parts_of(video)
        features[video.name] = {"rgb": parts["rgb"], "hands": parts["hands"][:, :hands]}
    return Dataset(write_each(path, features, rgb=rgb, hands=FeatureSet(hands)))


def test_a_model_is_scored_on_what_was_joined_alone(run, videos, two_sets, one_set, tmp_path):
    first = with_backbone(tmp_path / "first.h5", videos, "eyes")
    known = trained(first.path, tmp_path / "known", JOINED)
    assert load(known.path).facts.joined_sets[0].extractor == Extractor("eyes", "f00", 5.0)
    other = with_backbone(tmp_path / "other.h5", videos, "ears")
    with pytest.raises(InputError, match=r"rgb\+hands: made by ears .*trained on features of eyes"):
        evaluate_run(known, other, "1", JOINED, max_pictures=0, out=tmp_path / "out")
    given = r"and the model was trained on rgb \(4\), hands \(2\), joined in this order; give --feature-set rgb\+hands"
    with pytest.raises(InputError, match=rf"features of hands \(2\), rgb \(4\), {given}"):
        evaluate_run(run, Dataset(two_sets), "1", "hands+rgb", max_pictures=0, out=tmp_path / "out")
    with pytest.raises(InputError, match=rf"features of rgb \(4\), {given}"):
        evaluate_run(run, Dataset(two_sets), "1", "rgb", max_pictures=0, out=tmp_path / "out")
    narrow = with_backbone(tmp_path / "narrow.h5", videos, "eyes", hands=1)
    with pytest.raises(InputError, match=rf"features of rgb \(4\), hands \(1\), {given}"):
        evaluate_run(run, narrow, "1", JOINED, max_pictures=0, out=tmp_path / "out")
    evaluate_run(run, Dataset(one_set), "1", max_pictures=0, out=tmp_path / "out")  # the concatenation


# New features


def test_predictions_from_the_dataset_equal_those_from_concatenated_files(run, videos, tmp_path, capsys):
    of_run, video = open_predictions(run.predictions), videos[9]
    np.save(tmp_path / "video9.npy", concatenated(video))
    main(["predict", str(run.path), str(tmp_path / "video9.npy"), "--out", str(tmp_path / "out"), "--no-pictures"])
    one, other = of_run.read("video9"), open_predictions(tmp_path / "out" / "predictions.h5").read("video9")
    np.testing.assert_array_equal(one.probs, other.probs)
    np.testing.assert_array_equal(one.reported, other.reported)
    np.savetxt(tmp_path / "frames.txt", concatenated(video))
    capsys.readouterr()
    main(["stream", str(run.path), str(tmp_path / "frames.txt")])
    assert len(capsys.readouterr().out.splitlines()) == len(video.labels)


@pytest.mark.parametrize("name", ["rgb", "hands"])
def test_features_of_one_set_alone_are_refused_with_what_to_join(run, videos, tmp_path, capsys, name):
    values, model = parts_of(videos[9])[name], load(run.path)
    np.save(tmp_path / "video9.npy", values)
    np.savetxt(tmp_path / "frames.txt", values)
    for verb in ("predict", "stream"):
        found = f"video9.npy has shape {list(values.shape)}, the model takes [T, 6]; {JOINING}"
        assert found in refusal(capsys, verb, run.path, tmp_path / "video9.npy")
    found = f"frames.txt, line 1 has {values.shape[1]} numbers; the model takes 6: {JOINING}"
    assert found in refusal(capsys, "stream", run.path, tmp_path / "frames.txt", "--format", "text")
    with pytest.raises(InputError, match=re.escape(f"the model takes [T, 6]; {JOINING}")):
        model.predict(values)
    with pytest.raises(InputError, match=re.escape(f"with D = 6; {JOINING}")):
        model.stream().step(values[0])


def test_videos_are_refused_with_what_to_join(run, tmp_path, capsys):
    refused = f"the model takes features of rgb, hands, joined, and cannot take a video itself; make each, {JOINING}"
    with pytest.raises(InputError, match=re.escape(refused)):
        load(run.path).backbone()
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    assert refused in refusal(capsys, "predict", run.path, tmp_path / "clip.mp4", "--out", tmp_path / "out")


# Other verbs


def test_encoders_are_trained_on_joined_sets(two_sets, one_set, tmp_path):
    aligned = []
    for path, feature_set in ((two_sets, JOINED), (one_set, "features")):
        copy = Path(shutil.copyfile(path, tmp_path / f"{feature_set}.h5"))
        config = alignment_config(copy, epochs=1, feature_set=feature_set)
        embedder = align(config, Dataset(copy), AlignmentDirectory(tmp_path / feature_set))
        stored = write_aligned(embedder, Dataset(copy), "aligned")
        assert Dataset(copy).feature_sets[stored].derived_from == feature_set
        aligned.append(Dataset(copy).features("video9", stored))
    np.testing.assert_array_equal(aligned[0], aligned[1])


def test_heads_are_trained_on_joined_sets(two_sets, one_set, tmp_path, capsys):
    tables = []
    for path, feature_set in ((two_sets, JOINED), (one_set, "features")):
        given = ["--dataset", str(path), "--feature-set", feature_set, "--heads", "v2", "--epochs", "1"]
        main(["heads", *given, "--out", str(tmp_path / feature_set)])
        tables.append([line for line in capsys.readouterr().out.splitlines() if "v2" in line])
    assert tables[0] == tables[1] != []


def test_held_out_splits_keep_the_sets_apart(two_sets, tmp_path):
    out = tmp_path / "held.h5"
    main(["hold-out", str(two_sets), "--split", "1", "--folds", "2", "--feature-set", JOINED, "--out", str(out)])
    held, before = Dataset(out), Dataset(two_sets)
    assert set(held.feature_sets) == {"rgb", "hands"}
    name = held.choose_feature_set("1-0", JOINED)
    np.testing.assert_array_equal(held.features("video0", name), before.features("video0", name))
