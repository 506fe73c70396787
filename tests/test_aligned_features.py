"""What an alignment run leaves: embeddings in the dataset file, their scores, and the verb that makes them."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from protas_gtcc.alignment.aligned_features import default_name, stored_name, write_aligned
from protas_gtcc.alignment.config import AlignmentDirectory
from protas_gtcc.alignment.embedder import load_encoder
from protas_gtcc.alignment.scored_embeddings import remarks, require_scorable, score_embedder, untrained
from protas_gtcc.alignment.training import align
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.report.alignment_table import alignment_table
from protas_gtcc.training.run_directory import RunDirectory
from tests.conftest import alignment_config, kitchen_procedure, tiny_config, write_videos


def test_embeddings_become_a_feature_set_of_the_split_that_later_runs_can_name(kitchen, tmp_path):
    path = tmp_path / "kitchen.h5"
    shutil.copy(kitchen, path)
    embedder = align(alignment_config(path), Dataset(path), AlignmentDirectory(tmp_path / "run"))
    shown: list[tuple[int, int]] = []
    stored = write_aligned(
        embedder, Dataset(path), "aligned-tcc", on_progress=lambda done, total: shown.append((done, total))
    )
    assert stored == "aligned-tcc_split1"
    assert shown[0] == (0, shown[0][1]), "before the first video, so that something is shown at once"
    assert shown[-1][0] == shown[-1][1] - 1
    dataset = Dataset(path)
    described = dataset.feature_sets["aligned-tcc_split1"]
    assert (described.dim, described.split, described.derived_from) == (4, "1", "features")
    assert described.source == "features aligned by tcc, seed 0"
    assert default_name(dataclasses.replace(embedder.facts.config, task="tea", head="v4")) == "aligned-tcc-tea-v4"
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
            w.add(kitchen_procedure(name, number))
    embedder, embedded = align(alignment_config(path), Dataset(path), AlignmentDirectory(tmp_path / "run")), set()
    plain = FeatureReader.read

    def recorded(self: FeatureReader, video: str) -> np.ndarray:
        embedded.add(video)
        return plain(self, video)

    monkeypatch.setattr(FeatureReader, "read", recorded)
    write_aligned(embedder, Dataset(path), "aligned-tcc")
    assert [Dataset(path).has_features(name, "aligned-tcc_split1") for name in names] == [True] * 4 + [False] * 2
    assert embedded == set(names[:4])


def test_tasks_that_cannot_be_aligned_or_scored_are_named(tmp_path):
    pytest.importorskip("sklearn")
    tasks = ["tea", "tea", "soup", "tea", "cake"]
    videos = [kitchen_procedure(f"v{number}", number, task) for number, task in enumerate(tasks)]
    path = write_videos(tmp_path / "kitchen.h5", videos, 3, "kitchen")
    dataset = Dataset(path)
    embedder = align(alignment_config(path), dataset, AlignmentDirectory(tmp_path / "run"))
    table = alignment_table(score_embedder(embedder, dataset))
    assert "Left out, because no training video shows their task: v4." in table
    assert "No task has two test videos: Kendall's tau and the enclosed area need --partners train." in table
    assert "matched with" not in table
    with_training = score_embedder(embedder, dataset, partners="train")
    assert with_training["scores"]["tcc"]["num_pairs"] == 2
    table = alignment_table(with_training)
    assert "1 test video, matched with training videos of their task. There are no intervals" in table
    with pytest.raises(
        InputError, match="split 1 has no task with both training and test videos: there is nothing to score"
    ):
        require_scorable(dataset, "1", "soup")
    with pytest.raises(InputError, match="no training video shows task 'cake'; the tasks are soup, tea"):
        require_scorable(dataset, "1", "cake")
    alone, untested = remarks(alignment_config(path), dataset, "test")
    assert alone == "task 'soup' has one training video: it is embedded but not aligned"
    assert untested == "no task has two test videos: Kendall's tau and the enclosed area need --partners train"
    for partners in ("train", None):
        assert remarks(alignment_config(path), dataset, partners) == [alone], "all is scored, or nothing"
    assert remarks(alignment_config(path, task="soup"), dataset, "test") == [alone, untested]


def test_a_dataset_without_tasks_counts_as_one_procedure(kitchen):
    (remark,) = remarks(alignment_config(kitchen), Dataset(kitchen), "test")
    assert remark.startswith("no video has a task: all are aligned as one procedure")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("features", "has a feature set 'features' already; give another --feature-name"),
        ("a/b", "must be a plain word"),
        ("é" * 120, "it has 240 bytes; give one of at most 230"),
    ],
)
def test_a_name_that_would_mislead_is_refused(kitchen, name, message):
    with pytest.raises(InputError, match=message):
        stored_name(name, "1", Dataset(kitchen), replace=True)


def test_a_run_of_the_other_kind_is_refused_by_its_kind(kitchen, tmp_path):
    RunDirectory(tmp_path / "aligned").start(alignment_config(kitchen))
    RunDirectory(tmp_path / "run").start(tiny_config(kitchen))
    with pytest.raises(InputError, match=r"is an alignment run, not a run of the progress network"):
        RunDirectory(tmp_path / "aligned").read_config()
    with pytest.raises(InputError, match="is no alignment run"):
        AlignmentDirectory(tmp_path / "run").read_alignment()


def test_scores_have_raw_features_and_the_encoder_before_training_beside_them(kitchen, tmp_path):
    pytest.importorskip("sklearn")
    dataset = Dataset(kitchen)
    embedder = align(alignment_config(kitchen, epochs=3), dataset, AlignmentDirectory(tmp_path / "run"))
    compared = score_embedder(embedder, dataset)
    assert list(compared["scores"]) == ["raw features", "untrained", "tcc"]
    before = untrained(embedder)
    torch.testing.assert_close(before.encoder.feature_mean, embedder.encoder.feature_mean)
    features = dataset.features("v0", "features")
    assert not np.allclose(before.embed(features), embedder.embed(features))
    with pytest.raises(InputError, match=r"expected features \[T, 6\]"):
        embedder.embed(features[:, :3])


@pytest.mark.slow
def test_the_verb_trains_writes_scores_and_resumes(kitchen, tmp_path):
    pytest.importorskip("sklearn")
    path, run = tmp_path / "kitchen.h5", tmp_path / "run"
    shutil.copy(kitchen, path)
    small = ["--hidden", "8", "--layers", "1", "--output-dim", "4", "--epochs", "1", "--loss", "vava"]

    def align_verb(*words: object, blocked: bool = False) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "protas_gtcc", "align", *map(str, words)]
        first = [str(tmp_path / "blocked")] if blocked else []
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([*first, os.environ.get("PYTHONPATH", "")])}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=tmp_path)

    done = align_verb("--dataset", path, "--out", run, "--head", "v2", "--json", *small)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["scores"]) == {"raw features", "untrained", "vava"}
    source = Dataset(path).feature_sets["aligned-vava-v2_split1"].source
    assert source == "features aligned by vava, head v2, seed 0"
    assert "| Kendall's tau |" in (run / "alignment.md").read_text()
    taken = align_verb("--dataset", path, "--out", tmp_path / "other", "--head", "v2", *small)
    assert taken.returncode == 1
    assert "has feature set 'aligned-vava-v2_split1' already" in taken.stderr
    assert not (tmp_path / "other").exists(), "refused before training"
    (tmp_path / "blocked" / "sklearn").mkdir(parents=True)
    (tmp_path / "blocked" / "sklearn" / "__init__.py").write_text("raise ImportError('not here', name='sklearn')")
    lacking = align_verb("--dataset", path, "--out", tmp_path / "third", "--feature-name", "c", *small, blocked=True)
    assert lacking.returncode == 1
    assert "scoring needs the package sklearn; pip install -e '.[align]' in the folder" in lacking.stderr
    assert not (tmp_path / "third").exists(), "refused before training, too"
    again = align_verb("--resume", run, "--no-write", "--no-score")
    assert again.returncode == 0, again.stderr
    other = align_verb("--resume", run, "--lr", "0.5")
    assert other.returncode == 1
    assert "a resumed run keeps its settings" in other.stderr
    assert dataclasses.is_dataclass(AlignmentDirectory(run).read_alignment())
