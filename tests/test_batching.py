"""Batches hold every window once, share out evenly, and load the same from any number of workers."""

import numpy as np
import pytest
import torch

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.network.losses import IGNORED_LABEL
from protas_gtcc.training.batching import (
    EpochBatches,
    Window,
    WindowReader,
    collate,
    cut_windows,
    make_loader,
    plan_epoch,
)
from protas_gtcc.training.optimisation import EpochMeans


def windows_of(lengths: list[int]) -> list[Window]:
    return cut_windows({str(number): length for number, length in enumerate(lengths)}, 0)


@pytest.mark.parametrize("window_frames", [0, 1, 7, 100])
def test_windows_cover_every_frame_once_and_are_no_longer_than_the_limit(window_frames):
    windows = cut_windows({"a": 23, "b": 7, "c": 100}, window_frames)
    for video, length in {"a": 23, "b": 7, "c": 100}.items():
        frames = [t for w in windows if w.video == video for t in range(w.start, w.end)]
        assert frames == list(range(length))
    assert all(0 < len(window) <= (window_frames or 100) for window in windows)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_an_epoch_holds_every_window_once(batch_size):
    batches = plan_epoch(range(1, 30), batch_size, seed=1, epoch=4)
    assert sorted(index for batch in batches for index in batch) == list(range(29))
    assert all(0 < len(batch) <= batch_size for batch in batches)


def test_an_epochs_batches_depend_on_seed_and_epoch_alone():
    windows = range(1, 30)
    assert plan_epoch(windows, 4, 1, 2) == plan_epoch(windows, 4, 1, 2)
    assert plan_epoch(windows, 4, 1, 2) != plan_epoch(windows, 4, 1, 3)
    assert plan_epoch(windows, 4, 1, 2) != plan_epoch(windows, 4, 0, 2)


def test_bucketing_by_length_leaves_little_padding():
    lengths = np.random.default_rng(0).integers(10, 1000, 64)
    batches = plan_epoch(lengths.tolist(), 8, 0, 0)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    unsorted = sum(8 * lengths[i : i + 8].max() for i in range(0, 64, 8))
    assert padded - lengths.sum() < 0.5 * (unsorted - lengths.sum())


def test_processes_share_each_batch_and_all_take_every_step():
    windows = windows_of([5] * 7)
    shares = [list(EpochBatches(windows, 3, 0, rank, 2)) for rank in range(2)]
    assert len(shares[0]) == len(shares[1]) == 3
    counted = [index for share in shares for step in share for index, weight in step if weight]
    assert sorted(counted) == list(range(7))
    assert any(weight == 0 for step in shares[1] for _, weight in step)  # the last batch has one window


def test_padding_is_marked_everywhere(tiny_dataset):
    dataset = Dataset(tiny_dataset)
    videos = dataset.video_names[:3]
    whole = cut_windows({name: dataset.num_frames[name] for name in videos}, 0)
    reader = WindowReader(dataset, whole, FeatureReader(dataset, "features", "1"))
    batch = collate([reader[(index, 1.0)] for index in range(3)])
    for i, name in enumerate(videos):
        length = dataset.num_frames[name]
        np.testing.assert_array_equal(batch.features[i, :, :length].T, dataset.features(name, "features"))
        np.testing.assert_array_equal(batch.labels[i, :length], dataset.labels(name))
        assert (batch.labels[i, length:] == IGNORED_LABEL).all()
        assert batch.features[i, :, length:].abs().sum() == 0
        assert batch.mask[i].sum() == length
    assert batch.num_frames == sum(dataset.num_frames[name] for name in videos)


def test_workers_load_what_the_training_process_would(tiny_dataset):
    dataset = Dataset(tiny_dataset)
    windows = cut_windows(dataset.num_frames, 16)
    reader, device = WindowReader(dataset, windows, FeatureReader(dataset, "features", "1")), torch.device("cpu")
    loaded = [list(make_loader(reader, EpochBatches(windows, 4, 0), workers, device)) for workers in (0, 2)]
    for one, other in zip(*loaded, strict=True):
        assert one.videos == other.videos
        torch.testing.assert_close(one.features, other.features)
        torch.testing.assert_close(one.progress, other.progress)


def test_an_epochs_means_count_values_by_their_weight():
    means = EpochMeans()
    means.add({"loss": torch.tensor([4.0, 2.0])}, torch.zeros(2), {"frames": 0.0})
    assert means.values() == {"loss": 0.0}, "a process without a window of its own knows the names"
    means.add({"loss": torch.tensor([4.0, 2.0])}, torch.ones(2), {"frames": 3.0})
    means.add({"loss": torch.tensor([9.0])}, torch.ones(1), {"frames": 4.0})
    assert means.values() == {"loss": 5.0}
    assert means.counts == {"frames": 7}
