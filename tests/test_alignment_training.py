"""Alignment runs: pairs, a loss that falls, resuming, what stops a run, and what it leaves in run and dataset file."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch

from protas_gtcc.alignment import training as training_module
from protas_gtcc.alignment.aligned_features import (
    default_name,
    require_scorable,
    score_embedder,
    told,
    untrained,
    write_aligned,
)
from protas_gtcc.alignment.config import AlignmentConfig, AlignmentLossConfig, EncoderConfig
from protas_gtcc.alignment.embedder import load_encoder
from protas_gtcc.alignment.encoders import ContextNetwork
from protas_gtcc.alignment.objective import alignment_terms
from protas_gtcc.alignment.pairing import batches_of, by_task, collate, epoch_pairs, lonely_tasks, sample_frames
from protas_gtcc.alignment.training import AlignmentDirectory, AlignmentTrainer, align
from protas_gtcc.config import TrainingConfig, from_yaml, to_yaml
from protas_gtcc.controls import FeatureReader
from protas_gtcc.dataset import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset_writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.report.alignment_table import alignment_table

SCRIPT = Path(__file__).resolve().parents[1] / "experiments" / "align.py"
LOSSES = get_args(get_type_hints(AlignmentConfig)["loss"])


def procedure(name: str, seed: int, task: str = "") -> Video:
    """Three actions after each other, each with a feature of its own, of lengths that vary."""
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 0, 2, 3], random.integers(4, 12, size=5))
    features = np.eye(6)[labels] + 0.1 * random.normal(size=(len(labels), 6))
    return Video(name, labels, {"features": features.astype(np.float32)}, task=task)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six training and three test videos of one procedure."""
    path, names = tmp_path_factory.mktemp("data") / "kitchen.h5", [f"v{number}" for number in range(9)]
    splits = {"1": {"train": names[:6], "test": names[6:]}}
    info = DatasetInfo("kitchen", ["rest", "cut", "mix", "serve"], [0], 5.0, splits)
    with write_dataset(path, info, {"features": FeatureSet(6)}) as writer:
        for number, name in enumerate(names):
            writer.add(procedure(name, number))
    return path


def config_of(dataset: Path, loss: str = "tcc", epochs: int = 2, **changes: Any) -> AlignmentConfig:
    encoder = EncoderConfig(hidden=8, layers=2, output_dim=4)
    training = TrainingConfig(epochs=epochs, batch_size=2, lr=0.01, clip_norm=1.0)
    settings = AlignmentLossConfig(sampled_frames=20, components=3, anchors=6)
    known = {"encoder": encoder, "training": training, "alignment": settings}
    return AlignmentConfig(dataset=str(dataset), loss=loss, **{**known, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_falls_on_videos_that_can_be_aligned(recordings, tmp_path, loss):
    run = AlignmentDirectory(tmp_path / "run")
    config = config_of(
        recordings, loss, epochs=25, alignment=AlignmentLossConfig(sampled_frames=0, anchors=0, drop_rate=1.0)
    )
    align(config, Dataset(recordings), run)
    rows = run.read_log()
    assert len(rows) == 25
    assert sum(row["loss"] for row in rows[-5:]) < 0.8 * sum(row["loss"] for row in rows[:5])


def test_an_epoch_pairs_each_video_with_two_others_of_its_task():
    groups = {"tea": list("abcd"), "cake": list("xyz"), "soup": list("pq")}
    pairs = epoch_pairs(groups, seed=0, epoch=3)
    assert len(pairs) == 4 + 3 + 1
    for task, members in groups.items():
        mine = [pair for pair in pairs if pair[0] in members]
        assert all(set(pair) <= set(members) for pair in mine), "nobody meets another task"
        met = [video for pair in mine for video in pair]
        assert {met.count(video) for video in members} == ({1} if task == "soup" else {2})
    assert pairs == epoch_pairs(groups, seed=0, epoch=3) != epoch_pairs(groups, seed=0, epoch=4)


def test_sampled_frames_are_one_of_each_equal_part_and_all_of_a_short_video():
    frames, counts = sample_frames(torch.tensor([100, 6]), 10)
    assert counts.tolist() == [10, 6]
    assert [frame // 10 for frame in frames[0].tolist()] == list(range(10))
    for num_frames in (11, 13, 19, 250):
        drawn = sample_frames(torch.tensor([num_frames]), 10)[0][0].tolist()
        assert sorted(set(drawn)) == drawn, "no frame twice"
        assert drawn[-1] < num_frames
    assert frames[1, :6].tolist() == list(range(6))
    everything, counts = sample_frames(torch.tensor([5, 3]), 0)
    assert everything[0].tolist() == list(range(5))
    assert counts.tolist() == [5, 3]


def test_a_batch_has_each_of_its_videos_once(recordings):
    dataset = Dataset(recordings)
    batch = collate([("v0", "v1"), ("v1", "v2")], FeatureReader(dataset, "features", "1", "none"))
    assert batch.videos == ["v0", "v1", "v2"]
    assert batch.pairs.tolist() == [[0, 1], [1, 2]]
    assert batch.lengths.tolist() == [dataset.num_frames[video] for video in batch.videos]
    assert batch.mask.sum(dim=(1, 2)).tolist() == batch.lengths.tolist()
    np.testing.assert_array_equal(batch.features[1, :, : batch.lengths[1]].T, dataset.features("v1", "features"))


@pytest.mark.parametrize("head", [None, "v4"])
def test_a_resumed_run_ends_as_one_that_was_never_interrupted(recordings, tmp_path, head):
    config, dataset = config_of(recordings, "gtcc", epochs=4, head=head, progress_lambda=1e6), Dataset(recordings)
    whole = AlignmentDirectory(tmp_path / "whole")
    align(config, dataset, whole)
    part = AlignmentDirectory(tmp_path / "part")
    trainer = AlignmentTrainer(config, dataset, part)
    part.start(config)
    for epoch in range(2):
        trainer._keep(trainer._epoch(epoch, 3, []))
    assert not part.is_trained()
    align(config, dataset, part, resume=True)
    assert part.is_trained()
    states = [load_encoder(run.path).encoder.state_dict() for run in (whole, part)]
    assert all(torch.equal(states[1][name], one) for name, one in states[0].items())
    logs = [[{**row, "seconds": 0} for row in run.read_log()] for run in (whole, part)]
    assert logs[0] == logs[1]
    assert ("progress" in logs[0][0]) == (head is not None)


def trained_in_one_step(recordings: Path, folder: Path, **changes: Any) -> dict[str, torch.Tensor]:
    training = TrainingConfig(epochs=1, batch_size=6, lr=0.01, clip_norm=1.0)
    config = config_of(recordings, "tcc", training=training, **changes)
    return align(config, Dataset(recordings), AlignmentDirectory(folder)).encoder.state_dict()


def test_a_head_learns_beside_the_alignment_and_its_weight_only_reaches_the_encoder(recordings, tmp_path):
    alone = trained_in_one_step(recordings, tmp_path / "alone")
    unheard, heard = (
        trained_in_one_step(recordings, tmp_path / f"{weight:g}", head="v4", progress_lambda=weight)
        for weight in (0.0, 1e9)
    )
    # TCC does not see where the embedding lies: that bias has no gradient but rounding, which Adam makes steps of.
    for name in alone.keys() - {"base.conv_out.bias"}:
        assert torch.allclose(unheard[name], alone[name], atol=1e-5), f"{name} is as without a head"
    assert not torch.equal(heard["base.conv_out.weight"], alone["base.conv_out.weight"])
    of_head = [name for name in heard if name.startswith("progress_head.")]
    assert of_head
    assert all(torch.equal(heard[name], unheard[name]) for name in of_head), "the head learns alike"


@pytest.mark.parametrize("loss", ["gtcc", "vava"])
def test_a_head_learns_beside_the_alignment_in_bfloat16_too(recordings, tmp_path, loss):
    training = TrainingConfig(epochs=1, batch_size=3, lr=0.01, clip_norm=1.0, precision="bf16")
    config = config_of(recordings, loss, training=training, head="v3", progress_lambda=1e6)
    run = AlignmentDirectory(tmp_path / "run")
    trained = align(config, Dataset(recordings), run).encoder.state_dict()
    assert all(one.isfinite().all() for one in trained.values())
    assert {"loss", "progress"} <= run.read_log()[0].keys()


def test_the_head_moves_as_much_however_large_the_gradient_of_the_alignment_is(recordings, tmp_path, monkeypatch):
    def moved(scale: float) -> list[torch.Tensor]:
        terms = training_module.alignment_terms
        with monkeypatch.context() as patch:
            patch.setattr(
                training_module,
                "alignment_terms",
                lambda *given: {name: scale * one for name, one in terms(*given).items()},
            )
            trained = trained_in_one_step(recordings, tmp_path / f"{scale:g}", head="v2")
        return [one for name, one in trained.items() if name.startswith("progress_head.")]

    for small, large in zip(moved(1.0), moved(1e9), strict=True):
        torch.testing.assert_close(small, large)


def test_nothing_of_a_test_video_is_read_in_training(recordings, tmp_path, monkeypatch):
    read, plain = set(), FeatureReader.read
    monkeypatch.setattr(FeatureReader, "read", lambda self, video: (read.add(video), plain(self, video))[1])
    config = config_of(recordings, "gtcc", head="v2")
    embedder = align(config, Dataset(recordings), AlignmentDirectory(tmp_path / "run"))
    train = Dataset(recordings).part("1", "train")
    assert read == set(embedder.facts.training_videos) == set(train)


def terms_of(recordings: Path, loss: str, epoch: int = 3, **changes: Any) -> dict[str, float]:
    """Terms of one pair, of embeddings that are the features."""
    dataset = Dataset(recordings)
    batch = collate([("v0", "v1")], FeatureReader(dataset, "features", "1", "none"))
    settings = {"sampled_frames": 0, "anchors": 0, "components": 3, **changes}
    config = config_of(recordings, loss, alignment=AlignmentLossConfig(**settings))
    torch.manual_seed(0)
    context = ContextNetwork(6)
    terms = alignment_terms(batch.features, batch, config, epoch, context)
    return {name: value.item() for name, value in terms.items()}


FLAGS = {
    "tcc": {"temperature": 0.5, "variance_weight": 0.5, "sampled_frames": 9},
    "gtcc": {"temperature": 0.5, "components": 2, "anchors": 4, "cycle_window": 0.1, "drop_rate": 0.5},
    "lav": {"warp_gamma": 1.0, "contrast_weight": 0.3, "margin": 5.0, "near_frames": 2},
    "vava": {
        "contrast_weight": 0.3,
        "inter_weight": 0.1,
        "margin": 5.0,
        "near_frames": 2,
        "phi_decay": 0.5,
        "moment_weight": 3.0,
        "divergence_weight": 1.0,
        "virtual_cost": 0.1,
        "virtual_frames": 3.0,
        "prior_width": 3.0,
    },
}


@pytest.mark.parametrize(("loss", "flag"), [(loss, flag) for loss, flags in FLAGS.items() for flag in flags])
def test_every_setting_of_a_loss_changes_it(recordings, loss, flag):
    assert terms_of(recordings, loss) != terms_of(recordings, loss, **{flag: FLAGS[loss][flag]})


def test_losses_are_told_the_epoch_and_go_both_ways(recordings):
    assert terms_of(recordings, "vava", epoch=3) != terms_of(recordings, "vava", epoch=30)
    assert terms_of(recordings, "gtcc", epoch=3) != terms_of(recordings, "gtcc", epoch=30)
    dataset = Dataset(recordings)
    reader = FeatureReader(dataset, "features", "1", "none")
    torch.manual_seed(0)
    context, settings = ContextNetwork(6), AlignmentLossConfig(sampled_frames=0, anchors=0, components=3)
    for loss in LOSSES:
        config = config_of(recordings, loss, alignment=settings)
        there, back = (
            alignment_terms(batch.features, batch, config, 30, context)
            for batch in (collate([pair], reader) for pair in (("v0", "v1"), ("v1", "v0")))
        )
        for name, value in there.items():
            torch.testing.assert_close(value, back[name], rtol=1e-2, atol=1e-6)


def test_processes_with_unequal_parts_of_a_batch_weigh_every_pair_alike(recordings):
    reader = FeatureReader(Dataset(recordings), "features", "1", "none")
    pairs = [("v0", "v1"), ("v1", "v2"), ("v2", "v3"), ("v3", "v4")]
    shares = [[batch.share for batch in batches_of(pairs, 3, reader, rank, 2)] for rank in range(2)]
    assert shares == [[pytest.approx(2 / 3), 1.0], [pytest.approx(1 / 3), 0.0]]


def test_a_resumed_run_must_have_its_training_videos(recordings, tmp_path):
    dataset, run = Dataset(recordings), AlignmentDirectory(tmp_path / "run")
    config = config_of(recordings, epochs=2)
    trainer = AlignmentTrainer(config, dataset, run)
    run.start(config)
    trainer._keep(trainer._epoch(0, 3, []))
    dataset.info.splits["1"]["train"][0] = "v8"
    dataset.info.splits["1"]["test"][2] = "v0"
    with pytest.raises(InputError, match=r"cannot be resumed: its dataset's training_videos was .*v0.* and is .*v8"):
        align(config, dataset, run, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_term_and_videos(recordings, tmp_path, monkeypatch):
    def broken(*_: object, **__: object) -> dict[str, torch.Tensor]:
        return {"soft_dtw": torch.tensor([1.0, float("nan")])}

    monkeypatch.setattr("protas_gtcc.alignment.training.alignment_terms", broken)
    with pytest.raises(InputError, match=r"term soft_dtw is nan for videos v\d and v\d at epoch 1, step 1; lower"):
        align(config_of(recordings, "lav"), Dataset(recordings), AlignmentDirectory(tmp_path / "run"))


def test_what_cannot_be_aligned_is_refused(recordings):
    dataset = Dataset(recordings)
    with pytest.raises(InputError, match="nothing to align: no task among none has two training videos"):
        by_task(dataset, [])
    with pytest.raises(InputError, match="nothing to align"):
        by_task(dataset, ["v0"])
    with pytest.raises(InputError, match="no training video is of task 'tea'"):
        by_task(dataset, ["v0", "v1"], "tea")
    with pytest.raises(InputError, match="--validation-share has no meaning in alignment"):
        AlignmentConfig(training=TrainingConfig(validation_share=0.5))
    with pytest.raises(InputError, match="--head is 'v5'; it is one of v2, v3, v4"):
        AlignmentConfig(head="v5")
    with pytest.raises(InputError, match="--sampled-frames is 1"):
        AlignmentLossConfig(sampled_frames=1)


def test_a_configuration_survives_its_file():
    config = AlignmentConfig(loss="vava", encoder=EncoderConfig(multi_head=True), head="v3")
    assert from_yaml(to_yaml(config), "here", AlignmentConfig) == config


def test_embeddings_become_a_feature_set_of_the_split_that_later_runs_can_name(recordings, tmp_path):
    path = tmp_path / "kitchen.h5"
    shutil.copy(recordings, path)
    embedder = align(config_of(path), Dataset(path), AlignmentDirectory(tmp_path / "run"))
    assert write_aligned(embedder, Dataset(path), "aligned-tcc") == "aligned-tcc_split1"
    dataset = Dataset(path)
    described = dataset.feature_sets["aligned-tcc_split1"]
    assert (described.dim, described.split, described.derived_from) == (4, "1", "features")
    assert described.source == "features aligned by tcc, seed 0"
    headed = dataclasses.replace(embedder.facts.config, task="tea", head="v4")
    assert (told(headed), default_name(headed)) == (["tcc", "task tea", "head v4"], "aligned-tcc-tea-v4")
    assert dataset.choose_feature_set("1") == "features"
    assert dataset.choose_feature_set("1", "aligned-tcc") == "aligned-tcc_split1"
    loaded = load_encoder(tmp_path / "run")
    for video in ("v0", "v8"):
        np.testing.assert_array_equal(
            dataset.features(video, "aligned-tcc_split1"), loaded.embed(dataset.features(video, "features"))
        )
    with pytest.raises(InputError, match="has feature set 'aligned-tcc_split1' already; give --replace"):
        write_aligned(embedder, dataset, "aligned-tcc")
    write_aligned(embedder, dataset, "aligned-tcc", replace=True)


def test_only_videos_of_the_split_are_embedded(tmp_path, monkeypatch):
    path, names = tmp_path / "kitchen.h5", [f"v{number}" for number in range(6)]
    splits = {"1": {"train": names[:3], "test": names[3:4]}}
    with write_dataset(
        path, DatasetInfo("k", ["a", "b", "c", "d"], [0], 5.0, splits), {"features": FeatureSet(6)}
    ) as w:
        for number, name in enumerate(names):
            w.add(procedure(name, number))
    embedder, embedded = align(config_of(path), Dataset(path), AlignmentDirectory(tmp_path / "run")), set()
    plain = FeatureReader.read
    monkeypatch.setattr(FeatureReader, "read", lambda self, video: (embedded.add(video), plain(self, video))[1])
    write_aligned(embedder, Dataset(path), "aligned-tcc")
    assert [Dataset(path).has_features(name, "aligned-tcc_split1") for name in names] == [True] * 4 + [False] * 2
    assert embedded == set(names[:4])


def test_tasks_that_cannot_be_aligned_or_scored_are_named(tmp_path):
    pytest.importorskip("sklearn")
    path, tasks = tmp_path / "kitchen.h5", ["tea", "tea", "soup", "tea", "cake"]
    names = [f"v{number}" for number in range(5)]
    info = DatasetInfo("k", ["a", "b", "c", "d"], [0], 5.0, {"1": {"train": names[:3], "test": names[3:]}})
    with write_dataset(path, info, {"features": FeatureSet(6)}) as writer:
        for number, name in enumerate(names):
            writer.add(procedure(name, number, tasks[number]))
    dataset = Dataset(path)
    assert lonely_tasks(dataset, "1") == ["soup"]
    embedder = align(config_of(path), dataset, AlignmentDirectory(tmp_path / "run"))
    table = alignment_table(score_embedder(embedder, dataset))
    assert "Left out, since no training video shows their task: v4." in table
    assert "No task has two test videos, so nothing can be matched: give --partners train." in table
    assert score_embedder(embedder, dataset, partners="train")["scores"]["tcc"]["num_pairs"] == 2
    for task in ("cake", "soup"):
        message = "split 1 tests no task that it trains on: there is nothing to score; give --no-score"
        with pytest.raises(InputError, match=message):
            require_scorable(dataset, "1", task)


def test_scores_have_raw_features_and_the_encoder_before_training_beside_them(recordings, tmp_path):
    pytest.importorskip("sklearn")
    dataset = Dataset(recordings)
    embedder = align(config_of(recordings, epochs=3), dataset, AlignmentDirectory(tmp_path / "run"))
    compared = score_embedder(embedder, dataset)
    assert list(compared["scores"]) == ["raw features", "untrained", "tcc"]
    before = untrained(embedder)
    torch.testing.assert_close(before.encoder.feature_mean, embedder.encoder.feature_mean)
    features = dataset.features("v0", "features")
    assert not np.allclose(before.embed(features), embedder.embed(features))
    with pytest.raises(InputError, match=r"expected features \[T, 6\]"):
        embedder.embed(features[:, :3])


def test_the_script_trains_writes_scores_and_goes_on(recordings, tmp_path):
    pytest.importorskip("sklearn")
    path, run = tmp_path / "kitchen.h5", tmp_path / "run"
    shutil.copy(recordings, path)
    small = ["--hidden", "8", "--layers", "1", "--output-dim", "4", "--epochs", "1", "--loss", "vava"]

    def script(*words: object, blocked: bool = False) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", str(SCRIPT), *map(str, words)]
        first = [str(tmp_path / "blocked")] if blocked else []
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([*first, os.environ.get("PYTHONPATH", "")])}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=tmp_path)

    done = script("--dataset", path, "--out", run, "--head", "v2", "--json", *small)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["scores"]) == {"raw features", "untrained", "vava"}
    assert "aligned-vava-v2_split1" in Dataset(path).feature_sets
    assert "| Kendall's tau |" in (run / "alignment.md").read_text()
    taken = script("--dataset", path, "--out", tmp_path / "other", "--head", "v2", *small)
    assert taken.returncode == 1
    assert "has feature set 'aligned-vava-v2_split1' already" in taken.stderr
    assert not (tmp_path / "other").exists(), "said before training"
    (tmp_path / "blocked" / "sklearn").mkdir(parents=True)
    (tmp_path / "blocked" / "sklearn" / "__init__.py").write_text("raise ImportError('not here', name='sklearn')")
    lacking = script("--dataset", path, "--out", tmp_path / "third", "--feature-name", "third", *small, blocked=True)
    assert lacking.returncode == 1
    assert "scoring needs sklearn; install it with pip install -c constraints.txt -e '.[align]'" in lacking.stderr
    assert not (tmp_path / "third").exists(), "said before training, too"
    again = script("--resume", run, "--no-write", "--no-score")
    assert again.returncode == 0, again.stderr
    other = script("--resume", run, "--lr", "0.5")
    assert other.returncode == 1
    assert "a resumed run keeps its settings" in other.stderr
    assert dataclasses.is_dataclass(AlignmentDirectory(run).read_alignment())
