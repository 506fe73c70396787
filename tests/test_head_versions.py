"""The published heads are what their notes say; each switch changes one thing; their table is documented."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadConfig, HeadLossConfig, HeadVersion
from protas_gtcc.heads.versions import (
    PUBLISHED,
    V3_CHANGES,
    V4_CHANGES,
    VERSIONS,
    HeadSwitches,
    version_of,
)
from protas_gtcc.report.position_encoding import ConditionResult, markdown
from protas_gtcc.runs.position_encoding import LATER, TO_V3, TO_V4, head_rows
from tests.test_head_training import verb

OTHER: dict[str, Any] = {"progress_error": "squared", "frame_weights": "root", "frames_left_error": "absolute"}


def settings(version: HeadVersion) -> dict[str, Any]:
    return (
        dataclasses.asdict(version.head) | dataclasses.asdict(version.loss) | {"head_clip_norm": version.head_clip_norm}
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v2", ("equal", 5, 3, False, 3, 0.0, False, False)),
        ("v3", ("target", 10, 5, True, 3, 0.0, True, True)),
        ("v4", ("target", 10, 5, True, 3, 5.0, False, True)),
    ],
)
def test_the_published_heads_are_as_their_notes_say(name, expected):
    head, loss = VERSIONS[name].head, VERSIONS[name].loss
    sampling = (loss.segments_per_video, loss.frames_per_segment, loss.strata, loss.shortest_prefix)
    assert (loss.frame_weights, *sampling, loss.boundary_weight, head.position, head.learnt_start) == expected
    assert (loss.progress_error, head.initial_logit, head.hidden, head.readout) == ("absolute", 0.0, 64, 32)
    assert VERSIONS[name].head_clip_norm == 1.0


def test_the_caps_of_the_weights_are_10_and_20():
    assert VERSIONS["v3"].loss.weight_cap == 10
    assert VERSIONS["v4"].loss.weight_cap == 20


def test_the_changes_from_one_published_head_to_the_next_are_those_that_are_listed():
    for before, after, changes in (("v2", "v3", V3_CHANGES), ("v3", "v4", V4_CHANGES)):
        old, new = PUBLISHED[before].given, PUBLISHED[after].given
        assert changes.given == {name: value for name, value in new.items() if old.get(name) != value}


def another(name: str, value: Any) -> Any:
    """A value of a switch that V3 does not have."""
    if name in OTHER:
        return OTHER[name]
    return not value if isinstance(value, bool) else type(value)(value + 2)


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(HeadSwitches)])
def test_every_switch_changes_its_own_setting_alone(name):
    before = settings(VERSIONS["v3"])
    value = another(name, before[name])
    after = settings(version_of("v3", HeadSwitches(**{name: value})))
    assert {key for key in after if after[key] != before[key]} == {name}
    assert after[name] == value


def test_every_name_is_another_head_and_an_unknown_one_is_refused():
    assert len(VERSIONS) == len({(one.head, one.loss) for one in VERSIONS.values()})
    assert VERSIONS["gru-dense"] == HeadVersion(HeadConfig(), HeadLossConfig())
    with pytest.raises(InputError, match="no head 'v5'; there are v2, v3, v4, gru-dense"):
        version_of("v5", HeadSwitches())
    with pytest.raises(InputError, match="--head-clip-norm is -1"):
        HeadSwitches(head_clip_norm=-1.0)


def published_table() -> str:
    """The published heads as a Markdown table: a row for each switch that is theirs."""
    lines = [f"| flag | {' | '.join(PUBLISHED)} |", "|---" * (len(PUBLISHED) + 1) + "|"]
    for name in PUBLISHED["v4"].given:
        values = [shown(getattr(switches, name)) for switches in PUBLISHED.values()]
        lines.append(f"| `--{name.replace('_', '-')}` | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


def shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_table_in_the_documentation_is_that_of_the_code():
    page = Path(__file__).resolve().parents[1] / "docs" / "concepts" / "heads.md"
    assert published_table() in page.read_text(encoding="utf-8"), f"the table should be:\n{published_table()}"


def test_the_simulation_has_a_row_for_every_published_change_alone():
    for groups, changes in ((TO_V3, V3_CHANGES), (TO_V4, V4_CHANGES)):
        assert sorted(name for names in groups.values() for name in names) == sorted(changes.given)
    rows = {row.name: row for row in head_rows()}
    assert list(rows)[:3] == ["V2", "V2, position", "V2, learnt start"]
    assert len({(row.version.head, row.version.loss, row.version.head_clip_norm) for row in rows.values()}) == len(rows)
    for row in rows.values():
        assert row.base is None or row.base in rows
    whole = rows["V3"].version
    assert rows["V3, no position"].version == dataclasses.replace(
        whole, head=dataclasses.replace(whole.head, position=False)
    )
    assert all(len(one.given) == 1 for one in LATER.values())


def test_the_table_of_the_simulation_by_hand():
    lengths, labels = [5, 45], [0, 4]
    truth = [np.arange(1, length + 1) / length for length in lengths]
    half = [np.full(length, 0.5) for length in lengths]
    results = [ConditionResult(labels, lengths, {"A": half, "B": one}, {"A": None, "B": "A"}) for one in (truth, half)]
    by_name = {
        cells[0]: cells[1:]
        for cells in (
            [cell.strip() for cell in line.split("|")[1:-1]] for line in markdown({"c": results}).splitlines()
        )
        if cells
    }
    error = np.abs(np.concatenate(truth) - 0.5).mean()
    assert by_name["A"] == [f"{error:.3f} ± 0.000", "", "1.00", "0.00", *["0.50"] * 4]
    assert by_name["B"][:2] == [f"{error / 2:.3f} ± {error / 2:.3f}", f"{-error / 2:+.3f} ± {error / 2:.3f}"]
    assert by_name["the truth"][4:] == ["0.11", "1.00", "1.00", "0.11"]


@pytest.mark.slow
def test_position_encoding_leaves_a_picture_and_a_table(tmp_path):
    done = verb("position-encoding", "--videos", 5, "--epochs", 1, "--seeds", 2, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "position_encoding.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "table.md").read_text() == done.stdout
    assert done.stdout.startswith("SIMULATED")
    assert "Means of 2 seeds" in done.stdout
    truths = [line for line in done.stdout.splitlines() if line.startswith("| the truth")]
    assert len(truths) == 2
    assert all(line.split("|")[2].strip() == "0.000 ± 0.000" for line in truths)


def test_thirds_need_three_frames():
    with pytest.raises(InputError, match="--strata needs 3 frames or more; --frames-per-segment is 2"):
        HeadLossConfig(frames_per_segment=2)
    assert HeadLossConfig(frames_per_segment=2, strata=False).frames_per_segment == 2
