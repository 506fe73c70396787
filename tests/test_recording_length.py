"""No file asks for more frames than a recording can have, and each frame costs a few bytes."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.annotations.resampling import MOST_FRAMES, resample_indices
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.base import Layout
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from tests.mstcn_folder import exit_code

DAY_AT_10 = 864_000


def write_egoprocel(folder: Path, num_frames: int) -> Path:
    """One video of one action, in a file of a hundred bytes."""
    task = {"handles": ["a"], "hdl_actions": [["1"]], "hdl_start_times": [[0]], "hdl_end_times": [[num_frames]]}
    (folder / "egoprocel.json").write_text(json.dumps({"Salad": task}))
    (folder / "egoprocel-id2action.txt").write_text("0 background\n1 cut\n")
    return folder


def open_day(folder: Path, num_frames: int, fps: float | None = None) -> Layout:
    return open_layout(write_egoprocel(folder, num_frames), LayoutOptions(annotation_fps=fps))


@pytest.mark.parametrize(("fps", "day"), [(None, DAY_AT_10), (25.0, 2_160_000), (240.0, MOST_FRAMES)])
def test_a_video_of_egoprocels_json_lasts_at_most_a_day_at_the_labels_rate(tmp_path, fps, day):
    open_day(tmp_path, day, fps)
    with pytest.raises(InputError, match=rf"expected frames from 0 to {day}, a day, came {day + 1}; correct the JSON"):
        open_day(tmp_path, day + 1, fps)


def test_a_rate_above_240_allows_no_more_frames(tmp_path):
    with pytest.raises(InputError, match=f"expected frames from 0 to {MOST_FRAMES}, a day"):
        open_day(tmp_path, MOST_FRAMES + 1, 1e5)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_labels_cannot_have_is_refused_for_every_layout(tmp_path, fps):
    with pytest.raises(InputError, match="frames per second must be"):
        open_day(tmp_path, 100, fps)


@pytest.mark.parametrize("verb", ["check", "labels"])
def test_a_small_file_that_claims_months_is_one_line(tmp_path, capsys, verb):
    write_egoprocel(tmp_path, 99_000_000)
    out = ("--out", tmp_path / "out") if verb == "labels" else ()
    assert exit_code(verb, tmp_path, *out, "--fps", 10, "--resample-to", 11) == 1
    shown = " ".join("".join(capsys.readouterr()).split())
    assert "expected frames from 0 to 864000, a day, came 99000000" in shown


def test_no_rate_makes_more_frames_than_a_recording_has():
    assert len(resample_indices(MOST_FRAMES, 240.0, 240.0)) == MOST_FRAMES
    with pytest.raises(InputError, match=r"a video would have 2\.07e\+08 frames at 2400 per second; .*: correct the"):
        resample_indices(MOST_FRAMES, 240.0, 2400.0)
    with pytest.raises(InputError, match="correct the rate"):
        resample_indices(1000, 1e-4, 1e5)


@pytest.mark.parametrize(("fps", "new_fps"), [(10.0, 11.0), (10.1234567890123, 29.9700299700301)])
def test_resampling_takes_a_few_bytes_a_frame_whatever_the_rates(fps, new_fps):
    tracemalloc.start()
    try:
        indices = resample_indices(200_000, fps, new_fps)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * indices.nbytes + 12e6
    assert np.diff(indices).min() >= 0
