"""`convert`, and annotation files in `prepare`, `labels` and `predict`: out for a person to correct, and in again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.annotations.files.formats import WRITTEN
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.metrics.prediction_parts import write_index
from protas_gtcc.predictions import Prediction, PredictionInfo
from tests.annotation_examples import boris_observation, boris_project, write_json
from tests.mstcn_folder import exit_code, write_mstcn

TRACK = "0.5\t1.5\tcut\n2.0\t4.0\tstir\n"
TINY = ["--stages", 1, "--layers", 2, "--maps", 4, "--epochs", 1, "--preset", "reference"]
WITHOUT_EXTRAS = [name for name in WRITTEN if name != "elan"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def labelled(folder: Path, *names: str) -> Path:
    """Label tracks beside features of 5 seconds at 10 frames a second."""
    (folder / "features").mkdir(parents=True)
    for number, name in enumerate(names):
        for file in (folder / f"{name}.txt", folder / "features" / f"{name}.npy"):
            file.parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text(TRACK)
        np.save(folder / "features" / f"{name}.npy", np.random.default_rng(number).random((50, 3), dtype=np.float32))
    return folder


def printed(capsys, *arguments: object) -> Any:
    """What a command that succeeds prints as JSON."""
    capsys.readouterr()
    assert exit_code(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys, *arguments: object) -> str:
    """The one line of a command that is refused."""
    capsys.readouterr()
    assert exit_code(*arguments) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_prepare_reads_a_folder_of_annotation_files(tmp_path):
    source = labelled(tmp_path / "kitchen", "tea", "soup")
    axes = ("--feature-axes", "TD")
    assert exit_code("prepare", source, "--out", "a.h5", "--fps", 10, "--test-share", 0.5, *axes) == 0
    dataset = Dataset(Path("a.h5"))
    assert dataset.info.class_names == ["background", "cut", "stir"]
    assert dataset.segments("tea").tolist() == [[0, 5, 0], [5, 15, 1], [15, 20, 0], [20, 40, 2], [40, 50, 0]]
    (source / "tea.txt").write_text("0\t1\tstir\n")
    assert exit_code("labels", source, "--into", "a.h5") == 0
    assert Dataset(Path("a.h5")).segments("tea").tolist() == [[0, 10, 2], [10, 50, 0]]


@pytest.mark.parametrize(("train", "test"), [("train.split1.bundle", "test.split1.bundle"), ("train.txt", "test.txt")])
def test_lists_beside_annotation_files_are_read_as_in_the_layout_of_mstcn(tmp_path, capsys, train, test):
    source = labelled(tmp_path / "kitchen", "tea", "anna/soup", "cake")
    (source / "splits").mkdir()
    (source / "splits" / train).write_text("anna/soup\ntea.txt\n")
    (source / "splits" / test).write_text("cake\n")
    arguments = ("prepare", source, "--out", "a.h5", "--fps", 10, "--feature-axes", "TD")
    assert exit_code(*arguments) == 0
    assert "not read" not in capsys.readouterr().out
    assert Dataset(Path("a.h5")).info.splits == {"1": {"train": ["anna/soup", "tea"], "test": ["cake"]}}
    assert "leave out --test-share" in refusal(capsys, *arguments, "--test-share", 0.5, "--overwrite")
    (source / "splits" / test).write_text("soup\n")
    assert "anna/soup" in refusal(capsys, *arguments, "--overwrite"), "it is in both parts"
    labelled(source / "ben", "soup")
    assert "soup, which may be anna/soup, ben/soup; write its folder" in refusal(capsys, *arguments, "--overwrite")
    (source / "splits" / test).write_text("bread\n")
    assert "has no labels; add them, or correct the list" in refusal(capsys, *arguments, "--overwrite")


def test_prepare_notes_that_a_tool_took_the_rate_of_all_videos_for_another(tmp_path, capsys):
    source = labelled(tmp_path / "kitchen", "tea", "soup")
    observations = {}
    for name, frames in (("tea", 1200), ("soup", 1800)):
        (source / f"{name}.txt").unlink()
        np.save(source / "features" / f"{name}.npy", np.zeros((frames, 3), np.float32) + frames)
        one = boris_observation([[10, "", "cut", "", ""], [20, "", "cut", "", ""]], (f"{name}.mp4",))
        one["media_info"]["length"] = {f"{name}.mp4": frames / 10 * 24 / 25}
        observations[name] = one
    write_json(source / "a.boris", boris_project(observations))
    arguments = ("prepare", source, "--fps", 10, "--feature-axes", "TD")
    assert exit_code(*arguments, "--out", "a.h5") == 0
    assert "give --time-scale 1.0417" in " ".join(capsys.readouterr().out.split())
    assert exit_code(*arguments, "--out", "b.h5", "--time-scale", "25/24") == 0
    assert "--time-scale" not in capsys.readouterr().out
    assert Dataset(Path("b.h5")).segments("tea").tolist()[1] == [105, 209, 1]


def test_prepare_counts_overlaps_in_a_table_only_where_a_rule_is_given(tmp_path, capsys):
    source = labelled(tmp_path / "kitchen", "tea")
    (source / "tea.txt").unlink()
    table = source / "segments.csv"
    table.write_text("video,start_seconds,end_seconds,name\ntea,0,3,cook\ntea,1,2,cut\n")
    arguments = ("prepare", table, "--out", "a.h5", "--fps", 10, "--feature-axes", "TD")
    assert "overlap" in refusal(capsys, *arguments)
    assert exit_code(*arguments, "--overlaps", "latest") == 0
    assert "1 overlap in 1 video, 1.000 s" in capsys.readouterr().out
    assert Dataset(Path("a.h5")).segments("tea").tolist()[:3] == [[0, 10, 1], [10, 20, 2], [20, 30, 1]]


@pytest.mark.parametrize("name", WITHOUT_EXTRAS)
def test_convert_writes_what_it_reads_back(tmp_path, capsys, name):
    source = labelled(tmp_path / "kitchen", "tea", "soup")
    rate = ("--fps", 10)
    made = printed(capsys, "convert", source, "out", "--to", name, *rate)
    assert (made["videos"], made["segments"]) == (2, 4)
    counted = ("--counted-fps", 10) if name == "mstcn" else ()
    again = printed(capsys, "convert", "out", "again.csv", *counted)
    assert (again["videos"], again["segments"]) == (2, 4)
    rows = sorted(Path("again.csv").read_text().splitlines()[1:])
    assert rows[:2] == ["soup,0.500,1.500,cut", "soup,2.000,4.000,stir"]
    assert "would be replaced; give another name, or --overwrite" in refusal(
        capsys, "convert", source, "out", "--to", name, *rate
    )


def test_labels_of_frames_are_written_as_the_layout_of_mstcn_with_the_same_classes(tmp_path, capsys):
    source = labelled(tmp_path / "kitchen", "tea", "anna/soup")
    (source / "tea.txt").write_text("0\t1\tstir\n1\t2\tBG\n2\t3\tpour in|out\n")
    own = ("--fps", 10, "--feature-axes", "TD", "--features", source / "features")
    assert exit_code("prepare", source, "--out", "a.h5", *own, "--test-share", 0.5) == 0
    written = [Path("text", name) for name in ("groundTruth/anna/soup.txt", "groundTruth/tea.txt", "mapping.txt")]
    made = printed(capsys, "convert", "a.h5", "text", "--to", "mstcn")
    assert made["files"] == [str(path) for path in written]
    assert written[-1].read_text() == "0 background\n1 cut\n2 stir\n3 pour in|out\n"
    assert exit_code("prepare", "text", "--out", "b.h5", *own, "--test-share", 0.5) == 0
    one, other = Dataset(Path("a.h5")), Dataset(Path("b.h5"))
    assert (one.info.class_names, one.info.background) == (other.info.class_names, other.info.background)
    for video in ("tea", "anna/soup"):
        np.testing.assert_array_equal(one.labels(video), other.labels(video))
    for path in written[:2]:
        path.unlink()
    assert "text/mapping.txt would be replaced" in refusal(capsys, "convert", "a.h5", "text", "--to", "mstcn")
    printed(capsys, "convert", source, "straight", "--to", "mstcn", "--fps", 10)
    assert Path("straight/mapping.txt").read_text() == written[-1].read_text(), "segments have the order of prepare"
    assert Path("straight/groundTruth/tea.txt").read_text().split("\n")[10:20] == ["background"] * 10


def test_an_index_of_predictions_is_converted_and_scored_as_one_file_is(tiny_dataset, tmp_path, capsys):
    dataset = Dataset(tiny_dataset)
    info, videos = dataset.info, dataset.part("1", "test")
    facts = PredictionInfo(info.class_names, info.background, info.fps, info.simulated)
    found = {}
    for video in videos:
        labels = dataset.labels(video)
        found[video] = Prediction(labels, np.eye(info.num_classes)[:, labels], None, np.zeros(len(labels)))
        write_predictions(tmp_path / "parts" / f"{video}.h5", [(video, found[video])], facts)
    write_predictions(tmp_path / "one.h5", found.items(), facts)
    index = write_index(tmp_path, {video: tmp_path / "parts" / f"{video}.h5" for video in videos})
    for source, out in ((index, "index.csv"), ("one.h5", "one.csv")):
        assert printed(capsys, "convert", source, out)["videos"] == len(videos)
    assert Path("index.csv").read_text() == Path("one.csv").read_text()
    scores = [printed(capsys, "evaluate", source, "--dataset", tiny_dataset) for source in (index, "one.h5")]
    assert scores[0]["segmentation"] == scores[1]["segmentation"]
    assert scores[0]["segmentation"]["acc"] == 100


def test_convert_reads_layouts_datasets_and_predictions(tiny_dataset, tmp_path, capsys):
    labels = {"tea": [0] * 5 + [1] * 10}
    folder = write_mstcn(tmp_path / "folder", ["background", "cut"], labels)
    made = printed(capsys, "convert", folder, "a.vtt", "--counted-fps", 5)
    assert (made["videos"], made["segments"]) == (1, 1)
    assert "00:00:01.000 --> 00:00:03.000\ncut" in Path("a.vtt").read_text()
    assert "give it with --counted-fps" in refusal(capsys, "convert", folder, "b.vtt")
    made = printed(capsys, "convert", tiny_dataset, "a.rttm")
    dataset = Dataset(tiny_dataset)
    actions = sum(row[2] not in dataset.info.background for v in dataset.video_names for row in dataset.segments(v))
    assert (made["videos"], made["segments"]) == (len(dataset.video_names), actions)


def test_a_form_that_is_not_clear_or_not_known_is_named(tmp_path, capsys):
    source = labelled(tmp_path / "kitchen", "tea")
    assert "give --to, one of" in refusal(capsys, "convert", source, "out.txt")
    assert "there is no format 'anvil'; give one of" in refusal(capsys, "convert", source, "out", "--to", "anvil")
    assert "give it with --fps" in refusal(capsys, "convert", source, "out", "--to", "mstcn")
    assert not Path("out").exists()
    assert exit_code("convert", source) == 2
    assert exit_code("convert", source, "a.csv", "--agreement") == 2


def test_annotators_are_compared_by_frame_and_by_segments(tmp_path, capsys):
    for name, end in (("anna", 4), ("ben", 3), ("cleo", 4)):
        (tmp_path / "both" / name).mkdir(parents=True)
        (tmp_path / "both" / name / "tea.txt").write_text(f"0\t2\tcut\n2\t{end}\tstir\n")
    made = printed(capsys, "convert", "both", "--agreement", "--annotator-folders")
    rows = {(row["one"], row["other"]): row for row in made["agreement"]}
    assert rows["anna", "cleo"]["by_frame"] == 100
    assert rows["anna", "ben"]["by_frame"] == 75
    assert rows["anna", "ben"]["f1"]["50"] == 100
    assert exit_code("convert", "both", "--agreement", "--annotator-folders") == 0
    assert "75.0" in capsys.readouterr().out
    assert "choose one with --annotator" in refusal(capsys, "convert", "both", "a.rttm", "--annotator-folders")
    assert exit_code("convert", "both", "a.rttm", "--annotator-folders", "--annotator", "ben") == 0
    assert "no video by two annotators" in refusal(capsys, "convert", "both/anna", "--agreement")


def test_pre_annotations_are_written_corrected_and_prepared(tmp_path, capsys):
    source = labelled(tmp_path / "kitchen", "tea", "soup", "rice")
    axes = ("--feature-axes", "TD")
    assert exit_code("prepare", source, "--out", "a.h5", "--fps", 10, "--test-share", 0.34, *axes) == 0
    assert exit_code("train", "--dataset", "a.h5", "--out", "run", *TINY) == 0
    np.save("new.npy", np.random.default_rng(9).random((50, 3), dtype=np.float32))
    both = ("predict", "run", "new.npy", "--out", "guess", "--no-pictures", *axes, "--format")
    assert "audacity and mstcn would both write guess/annotations/new.txt; give one" in refusal(
        capsys, *both, *WITHOUT_EXTRAS
    )
    predict = (*both, *(name for name in WITHOUT_EXTRAS if name != "mstcn"))
    assert exit_code(*predict) == 0
    files = {file.name for file in Path("guess/annotations").iterdir()}
    assert {"annotations.boris", "segments.csv", "annotations.rttm", "new.vtt", "new.txt", "new.json"} <= files
    project = json.loads(Path("guess/annotations/annotations.boris").read_text())
    offered = {one["code"] for one in project["behaviors_conf"].values()}
    assert offered == {"cut", "stir"}, "a person can choose every class, and no background"
    info = open_predictions("guess/predictions.h5").info
    assert info is not None
    assert "would be replaced" in refusal(capsys, *predict), "a person may have corrected them"
    made = printed(capsys, "convert", "guess/predictions.h5", "again.boris")
    assert made["videos"] == 1
    corrected = {"new": boris_observation([[1, "", "cut", "", ""], [3, "", "cut", "", ""]], ("new.mp4",))}
    write_json(source / "corrected.boris", boris_project(corrected))
    np.save(source / "features" / "new.npy", np.load("new.npy"))
    assert exit_code("prepare", source, "--out", "b.h5", "--fps", 10, *axes) == 0
    assert Dataset(Path("b.h5")).segments("new").tolist() == [[0, 10, 0], [10, 30, 1], [30, 50, 0]]


@pytest.mark.parametrize("name", ["vidat", "label-studio"])
def test_one_json_file_of_a_tool_is_read_alone(tmp_path, name):
    source = labelled(tmp_path / "kitchen", "tea")
    assert exit_code("convert", source, "tea.json", "--to", name, "--fps", 10) == 0
    assert exit_code("convert", "tea.json", "tea.csv") == 0
    assert Path("tea.csv").read_text().splitlines()[1:] == ["tea,0.500,1.500,cut", "tea,2.000,4.000,stir"]
    prepare = ("prepare", "tea.json", "--features", source / "features", "--fps", 10, "--feature-axes", "TD")
    assert exit_code(*prepare, "--out", "a.h5") == 0
    assert Dataset(Path("a.h5")).segments("tea").tolist()[1] == [5, 15, 1]


@pytest.mark.parametrize("video", ["../tea", "a/../../tea", "a//tea", "te\x1ba"])
def test_a_name_of_a_video_that_leads_out_of_the_folder_is_refused(tmp_path, capsys, video):
    Path("a.csv").write_text(f"video,start,end,label\n{video},1,2,cut\n")
    for name in WITHOUT_EXTRAS:
        line = refusal(capsys, "convert", "a.csv", "deep/out", "--to", name, "--fps", 10)
        assert "a.csv: " in line
        assert "cannot be the name of a video" in line
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.csv"]


def test_the_interface_beside_tasks_is_not_replaced_unasked(tmp_path, capsys):
    source = labelled(tmp_path / "kitchen", "tea")
    Path("out.labels.xml").write_text("mine")
    to = ("convert", source, "out.json", "--to", "label-studio", "--fps", 10)
    assert "out.labels.xml would be replaced" in refusal(capsys, *to)
    assert Path("out.labels.xml").read_text() == "mine"
    assert not Path("out.json").exists()
    assert exit_code(*to, "--overwrite") == 0


def test_a_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder_stay(tmp_path, capsys):
    source = labelled(tmp_path / "kitchen", "tea")
    Path("a.vtt").mkdir()
    Path("f").write_text("mine")
    for out in (("a.vtt",), ("a.vtt", "--overwrite"), ("f", "--to", "vidat"), ("f", "--to", "vidat", "--overwrite")):
        refusal(capsys, "convert", source, *out)
    assert Path("a.vtt").is_dir()
    assert Path("f").read_text() == "mine"


def test_annotators_agree_where_one_names_the_background_and_the_other_leaves_a_gap(tmp_path, capsys):
    for name, row in (("anna", "2\t4\tBG\n"), ("ben", ""), ("cleo", "2\t4\tBackground\n")):
        (tmp_path / "both" / name).mkdir(parents=True)
        (tmp_path / "both" / name / "tea.txt").write_text(f"0\t2\tcut\n{row}4\t6\tcut\n")
    made = printed(capsys, "convert", "both", "--agreement", "--annotator-folders")
    assert [row["by_frame"] for row in made["agreement"]] == [100, 100, 100]


@pytest.mark.slow
def test_a_corrected_file_of_a_video_that_can_no_longer_be_read_stays(tmp_path):
    source = labelled(tmp_path / "kitchen", "tea", "soup", "rice")
    axes = ("--feature-axes", "TD")
    assert exit_code("prepare", source, "--out", "a.h5", "--fps", 10, "--test-share", 0.34, *axes) == 0
    assert exit_code("train", "--dataset", "a.h5", "--out", "run", *TINY) == 0
    files = [source / "features" / f"{name}.npy" for name in ("tea", "soup")]
    predict = ("predict", "run", *files, "--out", "guess", "--no-pictures", *axes)
    assert exit_code(*predict, "--format", "audacity") == 0
    corrected = Path("guess/annotations/soup.txt")
    corrected.write_text("0\t1\tcut\n")
    files[1].write_bytes(b"damaged")
    assert exit_code(*predict, "--skip-broken") == 0
    assert corrected.read_text() == "0\t1\tcut\n"
