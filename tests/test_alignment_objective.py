"""What an alignment step is made of: pairs, sampled frames, and terms that every setting changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch

from protas_gtcc.alignment.config import AlignmentConfig, AlignmentLossConfig
from protas_gtcc.alignment.encoders import ContextNetwork
from protas_gtcc.alignment.objective import alignment_terms, term_weights
from protas_gtcc.alignment.pairing import batches_of, collate, epoch_pairs, sample_frames
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.network.terms import weigh
from tests.conftest import alignment_config

LOSSES = get_args(get_type_hints(AlignmentConfig)["loss"])


def test_an_epoch_pairs_each_video_with_two_others_of_its_task():
    groups = {"tea": list("abcd"), "cake": list("xyz"), "soup": list("pq")}
    pairs = epoch_pairs(groups, seed=0, epoch=3)
    assert len(pairs) == 4 + 3 + 1
    for task, members in groups.items():
        mine = [pair for pair in pairs if pair[0] in members]
        assert all(set(pair) <= set(members) for pair in mine), "no pair mixes tasks"
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


def test_a_batch_has_each_of_its_videos_once(kitchen):
    dataset = Dataset(kitchen)
    batch = collate([("v0", "v1"), ("v1", "v2")], FeatureReader(dataset, "features", "1", "none"))
    assert batch.videos == ["v0", "v1", "v2"]
    assert batch.pairs.tolist() == [[0, 1], [1, 2]]
    assert batch.lengths.tolist() == [dataset.num_frames[video] for video in batch.videos]
    assert batch.mask.sum(dim=(1, 2)).tolist() == batch.lengths.tolist()
    np.testing.assert_array_equal(batch.features[1, :, : batch.lengths[1]].T, dataset.features("v1", "features"))


def terms_of(kitchen: Path, loss: str, epoch: int = 3, **changes: Any) -> dict[str, float]:
    """Weighted terms of one pair; the embeddings are the features."""
    dataset = Dataset(kitchen)
    batch = collate([("v0", "v1")], FeatureReader(dataset, "features", "1", "none"))
    settings = {"sampled_frames": 0, "anchors": 0, "components": 3, **changes}
    config = alignment_config(kitchen, loss, alignment=AlignmentLossConfig(**settings))
    torch.manual_seed(0)
    context = ContextNetwork(6)
    terms = alignment_terms(batch.features, batch, config, epoch, context)
    return {name: value.item() for name, value in weigh(terms, term_weights(config)).items()}


FLAGS = {
    "tcc": {"temperature": 0.5, "variance_weight": 0.5, "sampled_frames": 9},
    "tcc-classification": {"temperature": 0.1},
    "gtcc": {"temperature": 0.5, "components": 2, "anchors": 4, "cycle_window": 0.1, "drop_rate": 0.5},
    "lav": {"warp_gamma": 1.0, "contrast_weight": 0.3, "margin": 5.0, "near_share": 0.3},
    "vava": {
        "contrast_weight": 0.3,
        "inter_weight": 0.1,
        "margin": 5.0,
        "near_share": 0.3,
        "phi_decay": 0.5,
        "moment_weight": 3.0,
        "divergence_weight": 1.0,
        "virtual_cost": 0.1,
        "virtual_frames": 3.0,
        "prior_width": 3.0,
    },
}


@pytest.mark.parametrize(("loss", "flag"), [(loss, flag) for loss, flags in FLAGS.items() for flag in flags])
def test_every_setting_of_a_loss_changes_it(kitchen, loss, flag):
    changed: dict[str, Any] = {flag: FLAGS[loss][flag]}
    assert terms_of(kitchen, loss) != terms_of(kitchen, loss, **changed)


@pytest.mark.parametrize(
    ("loss", "settings", "weights"),
    [
        ("tcc", {}, {"tcc": 1}),
        ("lav", {}, {"soft_dtw": 1, "contrast": 13}),
        ("lav", {"contrast_weight": 0.7}, {"soft_dtw": 1, "contrast": 0.7}),
        ("vava", {"inter_weight": 0.2}, {"transport": 1, "intra_contrast": 27, "inter_contrast": 0.2}),
        ("vava", {"contrast_weight": 0.0}, {"transport": 1, "intra_contrast": 0, "inter_contrast": 0.5}),
    ],
)
def test_contrasts_have_the_weights_of_the_settings_or_those_of_the_loss(loss, settings, weights):
    config = AlignmentConfig(loss=loss, alignment=AlignmentLossConfig(**settings))
    assert term_weights(config) == {**weights, "progress": 1, "cumulative_l2": 0.1}


def test_losses_depend_on_the_epoch_and_go_both_ways(kitchen):
    assert terms_of(kitchen, "vava", epoch=3) != terms_of(kitchen, "vava", epoch=30)
    assert terms_of(kitchen, "gtcc", epoch=3) != terms_of(kitchen, "gtcc", epoch=30)
    dataset = Dataset(kitchen)
    reader = FeatureReader(dataset, "features", "1", "none")
    torch.manual_seed(0)
    context, settings = ContextNetwork(6), AlignmentLossConfig(sampled_frames=0, anchors=0, components=3)
    for loss in LOSSES:
        config = alignment_config(kitchen, loss, alignment=settings)
        there, back = (
            alignment_terms(batch.features, batch, config, 30, context)
            for batch in (collate([pair], reader) for pair in (("v0", "v1"), ("v1", "v0")))
        )
        for name, value in there.items():
            torch.testing.assert_close(value, back[name], rtol=1e-2, atol=1e-6)


def test_processes_with_unequal_parts_of_a_batch_weigh_every_pair_alike(kitchen):
    reader = FeatureReader(Dataset(kitchen), "features", "1", "none")
    pairs = [("v0", "v1"), ("v1", "v2"), ("v2", "v3"), ("v3", "v4")]
    weights = [[batch.weights.tolist() for batch in batches_of(pairs, 3, reader, rank, 2)] for rank in range(2)]
    assert weights == [[[1, 1], [1]], [[1], [0]]]
