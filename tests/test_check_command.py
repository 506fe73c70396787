"""`protas-gtcc check`: the verdict first, JSON for programs, and exit codes."""

from __future__ import annotations

import json

import numpy as np

from protas_gtcc.checks.path import check_path
from tests.checked_data import change_features, changed_by_hand, only, put_array, with_value, write_file
from tests.mstcn_folder import exit_code


def test_a_damaged_header_is_one_finding_and_no_traceback(tmp_path, capsys):
    path = write_file(tmp_path / "d.h5")
    with changed_by_hand(path) as file:
        put_array(file, "num_frames", [30, 30])
    only(check_path(path), "error", "d.h5", "is damaged: ")
    assert exit_code("check", path, "--json") == 1
    assert json.loads(capsys.readouterr().out)[0]["way_out"] == "prepare it again"


def test_the_command_exits_with_1_on_an_error_and_prints_json(tmp_path, capsys):
    path = write_file(tmp_path / "d.h5")
    assert exit_code("check", path, "--json") == 0
    assert [finding["level"] for finding in json.loads(capsys.readouterr().out)] == ["note"]
    with changed_by_hand(path) as file:
        change_features(file, "v1", lambda x: with_value(x, (7, 2), np.nan))
    assert exit_code("check", path, "--json") == 1
    first = json.loads(capsys.readouterr().out)[0]
    assert set(first) == {"level", "where", "what", "way_out"}
    assert first["level"] == "error"


def test_the_command_prints_the_verdict_first_in_80_columns(tmp_path, capsys):
    assert exit_code("check", write_file(tmp_path / "d.h5"), "--resample-to", "5") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("d.h5: usable, but see the warnings: 0 errors, 1 warning, 1 note")
    assert printed[1].startswith("warning  class background: 5 of 15 segments vanish at 5 fps")
    assert printed[-1] == "note     feature set features: look-ahead 0 frames"
    assert max(map(len, printed[1:])) <= 80


def test_the_command_reports_a_missing_path_in_one_line(tmp_path, capsys):
    assert exit_code("check", tmp_path / "nothing") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, "no empty bar before it"
    assert lines[0].startswith("error: no such file or folder")
