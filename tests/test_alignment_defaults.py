"""The defaults of the alignment losses: one table for the functions, the command, its help and the documentation."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch

from protas_gtcc.alignment.config import LOSS_DEFAULTS, AlignmentConfig, AlignmentLossConfig
from protas_gtcc.alignment.gtcc import gtcc_loss
from protas_gtcc.alignment.lav import lav_loss
from protas_gtcc.alignment.objective import alignment_terms, term_weights
from protas_gtcc.alignment.pairing import collate
from protas_gtcc.alignment.tcc import tcc_classification_loss, tcc_loss
from protas_gtcc.alignment.vava import vava_loss
from protas_gtcc.cli.commands import align
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.network.terms import total_loss, weigh
from protas_gtcc.storage.yaml_configs import from_yaml, to_yaml
from tests.mstcn_folder import exit_code
from tests.test_alignment_objective import FLAGS

FUNCTIONS: dict[str, Any] = {
    "tcc": tcc_loss,
    "tcc-classification": tcc_classification_loss,
    "gtcc": gtcc_loss,
    "lav": lav_loss,
    "vava": vava_loss,
}
every_loss = pytest.mark.parametrize("loss", LOSS_DEFAULTS)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "concepts" / "alignment.md"


def parsed(*words: str) -> AlignmentConfig:
    """The configuration that the command makes of flags."""
    return align.Command.parse(words).config


def test_the_table_has_every_loss():
    assert {*LOSS_DEFAULTS} == {*FUNCTIONS} == {*get_args(get_type_hints(AlignmentConfig)["loss"])}


@every_loss
def test_a_function_without_settings_is_what_the_command_minimises_in_its_first_epoch(kitchen, loss):
    batch = collate([("v0", "v1")], FeatureReader(Dataset(kitchen), "features", "1", "none"))
    config = parsed("--dataset", str(kitchen), "--loss", loss, "--sampled-frames", "0", "--anchors", "0")
    minimised = total_loss(weigh(alignment_terms(batch.features, batch, config, epoch=0), term_weights(config)))
    (u, v), (n, m), function = batch.features.transpose(1, 2).split(1), batch.lengths.split(1), FUNCTIONS[loss]
    value = function(u, v, n, m)
    if loss not in ("lav", "vava"):  # the cycles go both ways
        value = 0.5 * (value + function(v, u, m, n))
    torch.testing.assert_close(minimised, value)


@every_loss
def test_a_flag_overrides_the_default_of_its_loss_and_the_configuration_has_the_final_values(loss):
    (name, value), *_ = LOSS_DEFAULTS[loss].items()
    flag = f"--{name.replace('_', '-')}"
    for words, final in (((), value), ((flag, "0.3"), 0.3)):
        config = parsed("--loss", loss, *words)
        assert getattr(config.alignment, name) == final
        assert f"  {name}: {final}\n" in to_yaml(config)
        assert from_yaml(to_yaml(config), "config.yaml", AlignmentConfig) == config


@every_loss
def test_a_configuration_made_in_python_has_the_defaults_of_its_loss_beside_what_is_given(loss):
    settings = AlignmentConfig(loss=loss, alignment=AlignmentLossConfig(sampled_frames=50)).alignment
    assert settings == dataclasses.replace(parsed("--loss", loss).alignment, sampled_frames=50)


def test_the_help_has_every_default_that_depends_on_the_loss(capsys: pytest.CaptureFixture[str]):
    losses: dict[tuple[str, float], list[str]] = defaultdict(list)
    for loss, settings in LOSS_DEFAULTS.items():
        for pair in settings.items():
            losses[pair].append(loss)
    for (name, value), those in losses.items():
        assert f"{value:g} for {' and '.join(those)}" in help_of(name, capsys)


@every_loss
def test_the_help_of_a_loss_shows_its_defaults(loss, capsys: pytest.CaptureFixture[str]):
    for name, value in LOSS_DEFAULTS[loss].items():
        assert f"(default: {value})" in help_of(name, capsys, "--loss", loss)


def test_the_table_of_the_documentation_has_the_defaults_of_all_settings_that_a_loss_has():
    names = [one.name for one in dataclasses.fields(AlignmentLossConfig)]
    expected = {}
    for name in names:
        having = [loss for loss in LOSS_DEFAULTS if name == "sampled_frames" or name in FLAGS[loss]]
        defaults = {loss: getattr(AlignmentLossConfig().for_loss(loss), name) for loss in having}
        expected[f"--{name.replace('_', '-')}"] = [
            f"{defaults[loss]:g}" if loss in defaults else "" for loss in LOSS_DEFAULTS
        ]
    rows = [[cell.strip().strip("`") for cell in row.split("|")[1:-1]] for row in lines_of_table("setting")]
    assert rows[0] == ["setting", *LOSS_DEFAULTS]
    assert {name: cells for name, *cells in rows[2:]} == expected


@pytest.mark.parametrize(("loss", "weight_of_sum", "frames_in_alignment"), [("lav", 1e-5, 200), ("vava", 1e-7, 1)])
def test_the_weights_of_the_contrasts_are_those_that_were_measured_with_sums_over_200_frames(
    loss, weight_of_sum, frames_in_alignment
):
    weights = sum(1 if abs(i - j) <= 15 else (i - j) ** 2 + 1 for i in range(200) for j in range(200))
    measured = weight_of_sum * weights / frames_in_alignment
    assert LOSS_DEFAULTS[loss]["contrast_weight"] == pytest.approx(measured, rel=0.03)


def help_of(name: str, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The help of a flag that takes a number."""
    exit_code("align", *words, "--help")
    text = " ".join(re.sub(r"[^\x00-\x7f]", " ", capsys.readouterr().out).split())
    return text.split(f"--{name.replace('_', '-')} NUMBER ")[1].split(" --")[0]


def lines_of_table(first_cell: str) -> list[str]:
    """The lines of the page's table that begins with a cell."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_cell} |"))
    return lines[start : lines.index("", start)]
