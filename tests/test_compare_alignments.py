"""The verb that compares alignments: the runs it makes, the table, the feature sets it leaves, and what it refuses."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.alignment.embedder import load_encoder
from protas_gtcc.cli.commands import align, train
from protas_gtcc.cli.commands.compare_alignments import Command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.report.alignment_table import COLUMNS
from protas_gtcc.report.figures import fraction
from protas_gtcc.runs.alignments import plan_alignments
from protas_gtcc.runs.config import AlignmentGrid, RunGrid
from protas_gtcc.runs.cross_validation import group_runs
from protas_gtcc.runs.run_grid import plan_grid
from tests.embedded_videos import read_embedded, score

pytestmark = pytest.mark.skipif(find_spec("sklearn") is None, reason="scoring an alignment needs scikit-learn")
SMALL = ("--epochs", "1", "--hidden", "8", "--output-dim", "4", "--layers", "1", "--sampled-frames", "20")


def call(folder: Path, *words: str) -> str:
    """The output of the verb."""
    flags = ["--dataset", str(folder / "kitchen.h5"), "--loss", "tcc", "--out", str(folder / "runs"), *SMALL, *words]
    with redirect_stdout(StringIO()) as printed:
        parse(Command, flags, "protas-gtcc compare-alignments").run()
    return printed.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path) -> Path:
    """One where tcc was trained with two encoders and two seeds each."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copyfile(tiny_dataset, folder / "kitchen.h5")
    words = ("--seeds", "2", "--variant", "each frame alone: --encoder mlp", "--write")
    (folder / "printed.md").write_text(call(folder, *words))
    return folder


@pytest.mark.slow
def test_a_row_is_an_embedding_beside_look_ups_raw_features_and_an_untrained_encoder(folder):
    lines = (folder / "printed.md").read_text().splitlines()
    assert lines[0].startswith(
        "tiny, split 1: 2 test videos, matched with other test videos of their task. In brackets: 95 %"
    )
    names = [line.split("|")[1].strip().strip("*") for line in lines[5:] if line.startswith("|")]
    lookups = [f"look-up: {name}" for name in ("elapsed", "most frequent", "constant", "average index")]
    assert names == [*lookups, "raw features", "untrained", "tcc", "tcc-each-frame-alone"]
    assert lines[3] == f"| on held-out videos | {' | '.join(column.head for column in COLUMNS)} |"
    assert (folder / "runs/table.md").read_text().splitlines() == lines
    scores = json.loads((folder / "runs/table.json").read_text())["scores"]
    assert f"| {fraction(scores['tcc']['kendalls_tau'])}" in lines[11]


@pytest.mark.slow
def test_a_figure_is_the_mean_over_seeds_of_what_the_sets_in_the_file_score(folder):
    dataset = Dataset(folder / "kitchen.h5")
    single = [
        score(*(read_embedded(dataset, part, f"aligned-tcc-seed{seed}") for part in ("train", "test")))
        for seed in range(2)
    ]
    scores = json.loads((folder / "runs/table.json").read_text())["scores"]["tcc"]
    for figure in ("kendalls_tau", "enclosed_area", "progress_error"):
        assert scores[figure] == pytest.approx(np.mean([one[figure] for one in single])), figure
    one = load_encoder(folder / "runs/tcc-each-frame-alone/split1-seed1")
    assert (one.facts.config.encoder.encoder, one.facts.config.training.seed) == ("mlp", 1)
    video = dataset.part("1", "test")[0]
    stored = dataset.features(video, "aligned-tcc-each-frame-alone-seed1_split1")
    np.testing.assert_allclose(stored, one.embed(dataset.features(video, "features")), rtol=1e-6)


@pytest.mark.slow
def test_seeds_of_an_alignment_are_one_kind_of_features_for_the_models_of_those_seeds(folder):
    dataset, variant = Dataset(folder / "kitchen.h5"), ("aligned: --feature-set aligned-tcc-seed{seed}",)
    grid = RunGrid(splits="1", seeds=2, variant=variant)
    plans = plan_grid(grid, (), dataset, folder / "cv", lambda flags: train.Command.parse(flags).config)
    for plan in plans:
        plan.run.start(plan.config)
    kinds = group_runs([plan.run for plan in plans], dataset, print)
    assert {title: len(members) for title, members in kinds.items()} == {"default": 2, "default aligned": 2}


@pytest.mark.slow
def test_what_is_done_is_not_done_again_and_a_run_of_other_settings_is_refused(folder, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("nothing is to be trained"))
    rows = [line for line in call(folder).splitlines() if line.startswith("|")]
    assert rows[-1].startswith("| tcc |")
    with pytest.raises(InputError, match="is a run with normalize True, not False; give another --out, or remove it"):
        call(folder, "--no-normalize")


@pytest.mark.slow
def test_a_loss_may_have_settings_of_its_own(tiny_dataset):
    losses = ("tcc", "gtcc: --temperature 0.02 --lr 0.5")
    grid, dataset = AlignmentGrid(str(tiny_dataset), loss=losses, variant=("late: --lr 0.25",)), Dataset(tiny_dataset)
    flags = ("--lr", "0.125")
    plans: Any = plan_alignments(grid, flags, dataset, Path("out"), lambda words: align.Command.parse(words).config)
    assert [(plan.name, plan.config.alignment.temperature, plan.config.training.lr) for plan in plans] == [
        ("tcc/split1-seed0", 0.1, 0.125),
        ("gtcc/split1-seed0", 0.02, 0.5),
        ("tcc-late/split1-seed0", 0.1, 0.25),
        ("gtcc-late/split1-seed0", 0.02, 0.25),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seeds", "0"), "--seeds is 0; it must be from 1"),
        (("--seed", "3"), "--seed is for one run"),
        (("--splits", "1,4"), "no split '4'"),
        (("--loss", "tcc", "tcc: --lr 1"), "two have the same name, tcc"),
        (("--resume", "x"), "--resume is for one run"),
    ],
)
def test_what_no_run_can_be_made_of_is_refused_before_any_is_made(tmp_path, tiny_dataset, words, message):
    shutil.copyfile(tiny_dataset, tmp_path / "kitchen.h5")
    with pytest.raises(InputError, match=message):
        call(tmp_path, *words)
    assert not (tmp_path / "runs").exists()
