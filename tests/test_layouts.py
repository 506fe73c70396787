"""Foreign layouts: all variants are read alike, and each fault is reported in one line."""

from __future__ import annotations

import io
import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from protas_gtcc.annotations.resampling import resample_indices, vanished_segments
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.egoprocel import open_egoprocel, pair_in_order
from protas_gtcc.layouts.features import FeatureFolder, is_time_first
from protas_gtcc.layouts.lengths import ExpectedLengths, default_tolerance
from protas_gtcc.layouts.mapping import read_mapping
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.layouts.text import read_labels, read_video_list
from protas_gtcc.storage.feature_files import load_features, open_array, read_header
from tests.mstcn_folder import write_mstcn

IDS = {"background": 0, "take cup": 1, "pour": 2}
LABELS = ["background", "background", "take cup", "pour", "pour"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small folder in the MS-TCN layout: two videos of 5 frames with 3 features."""
    labels, split = {"S1_tea": [0, 0, 1, 2, 2], "S2_tea": [0, 0, 1, 2, 2]}, {"train": ["S1_tea"], "test": ["S2_tea"]}
    return write_mstcn(tmp_path, list(IDS), labels, split, lambda t: np.ones((3, t), np.float32))


# Text files


@pytest.mark.parametrize(
    "text", ["{}", "{}\n", "{}\n\n\n", "\ufeff{}", "{} \n \n"], ids=["bare", "newline", "blank", "mark", "spaces"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_line_ends_and_trailing_blanks_change_nothing(tmp_path, text, end):
    file = tmp_path / "video.txt"
    file.write_bytes(text.format("\n".join(LABELS)).replace("\n", end).encode())
    assert read_labels(file, IDS).tolist() == [0, 0, 1, 2, 2]


@pytest.mark.parametrize(
    "text",
    ["|".join(LABELS), "\n".join(f"{label}|Normal" for label in LABELS), "\n".join(f"{x}|Error" for x in LABELS)],
    ids=["one line", "EgoPER", "EgoPER errors"],
)
def test_labels_may_be_split_by_bars(tmp_path, text):
    (tmp_path / "video.txt").write_text(text)
    assert read_labels(tmp_path / "video.txt", IDS).tolist() == [0, 0, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("background\nstir\npour", "line 2: unknown label 'stir'"),
        ("background\n\npour", "line 2: a blank line"),
        ("background|stir", "line 1, label 2: unknown label 'stir'"),
        ("", "is empty"),
        ("\n\n", "is empty"),
    ],
)
def test_a_bad_label_is_named_with_file_and_line(tmp_path, text, message):
    (tmp_path / "video.txt").write_text(text)
    with pytest.raises(InputError, match=rf"video\.txt.*{message}"):
        read_labels(tmp_path / "video.txt", IDS)


@pytest.mark.parametrize("text", ["1 pour tea\n0 BG\n", "0|BG\n1|pour tea", "0\tBG\r\n1\tpour tea\r\n\r\n"])
def test_a_mapping_has_blanks_or_bars_and_any_order(tmp_path, text):
    (tmp_path / "mapping.txt").write_bytes(text.encode())
    mapping = read_mapping(tmp_path / "mapping.txt")
    assert (mapping.names, mapping.notices) == (["BG", "pour tea"], [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 a\n0 b", "line 2: class id 0 comes twice"),
        ("0 a\n1 a", "line 2: class name 'a' comes twice"),
        ("a 1\nb 1", "line 2: class id 1 comes twice"),
        ("a 1\nb", "line 1: expected 'id name', came 'a 1'"),
        ("0 Ka\u0308se\n1 K\u00e4se", "line 2: class name 'K\u00e4se' comes twice, before as 'Ka\\u0308se' in another"),
        ("1234567890 a", "line 1: expected 'id name'"),
        ("0 a\nb", "line 2: expected 'id name', came 'b'"),
        ("0|a\n1 b", "line 2: expected 'id|name'"),
        ("0|a\n1|", "line 2: expected"),
        ("", "is empty"),
    ],
)
def test_a_bad_mapping_is_refused(tmp_path, text, message):
    (tmp_path / "mapping.txt").write_text(text)
    with pytest.raises(InputError) as error:
        read_mapping(tmp_path / "mapping.txt")
    assert message in str(error.value)
    assert "mapping.txt" in str(error.value)


def test_video_lists_come_with_or_without_folders_and_endings(tmp_path):
    (tmp_path / "list").write_text("data/groundTruth/a.txt\r\nb\nc.npy\n01.tent.090617.gopro")
    assert read_video_list(tmp_path / "list") == ["a", "b", "c", "01.tent.090617.gopro"]
    (tmp_path / "list").write_text("a\nb\na.txt")
    with pytest.raises(InputError, match="line 3: video a comes twice"):
        read_video_list(tmp_path / "list")


# Folders


def test_the_layout_is_recognised_or_the_known_ones_are_named(folder, tmp_path_factory):
    with pytest.raises(InputError, match=r"arrange it as groundTruth/ with mapping\.txt.*handles"):
        open_layout(tmp_path_factory.mktemp("empty"))
    with pytest.raises(InputError, match="no such file"):
        open_layout(folder / "nowhere")


def test_a_folder_gives_classes_background_splits_and_labels(folder):
    layout = open_layout(folder)
    assert layout.class_names == list(IDS)
    assert layout.background == [0]
    assert layout.splits == {"1": {"train": ["S1_tea"], "test": ["S2_tea"]}}
    assert layout.labels("S2_tea").tolist() == [0, 0, 1, 2, 2]
    assert layout.notices == []


def test_links_keep_the_names_they_were_given(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("shared") / "i3d_fold1"
    (folder / "features").rename(elsewhere)
    (folder / "features_split1").symlink_to(elsewhere)
    linked = folder.parent / "my-kitchen"
    linked.symlink_to(folder)
    layout = open_layout(linked)
    assert layout.name == "my-kitchen"
    assert {name: found.split for name, found in layout.feature_folders.items()} == {"features_split1": "1"}


@pytest.mark.parametrize(
    ("train", "test", "split"),
    [
        ("split2.train", "split2.test", "2"),
        ("training.txt", "test.txt", "1"),
        ("splits/train.bundle", "splits/test.bundle", "1"),
    ],
    ids=["FACT", "EgoPER", "one split"],
)
def test_lists_of_other_code_bases_are_found(folder, train, test, split):
    for part, name in (("train", train), ("test", test)):
        (folder / "splits" / f"{part}.split1.bundle").rename(folder / name)
    assert open_layout(folder).splits == {split: {"train": ["S1_tea"], "test": ["S2_tea"]}}


def test_a_listed_video_must_be_there_and_an_unlisted_one_is_reported(folder):
    bundle = folder / "splits" / "train.split1.bundle"
    bundle.write_text("S9_tea.txt")
    with pytest.raises(InputError, match=r"train\.split1\.bundle names video S9_tea, of which .* has no labels; add"):
        open_layout(folder)
    bundle.write_text("")
    assert open_layout(folder).notices == ["1 video in no split, kept in the file: S1_tea"]


def test_the_background_is_named_or_refused_but_never_guessed(folder):
    (folder / "mapping.txt").write_text("0 SIL\n1 take cup\n2 pour\n")
    with pytest.raises(InputError, match=r"--background NAME.*--no-background"):
        open_layout(folder)
    assert open_layout(folder, LayoutOptions(background=("SIL", "pour"))).background == [0, 2]
    assert open_layout(folder, LayoutOptions(no_background=True)).background == []
    with pytest.raises(InputError, match="'BG' is not a class"):
        open_layout(folder, LayoutOptions(background=("BG",)))


# Files of features


def _encrypted(content: bytes) -> bytes:
    """The archive with the bit that says that its only member is encrypted."""
    central = content.index(b"PK\x01\x02")
    return content[:6] + b"\x01" + content[7 : central + 8] + b"\x01" + content[central + 9 :]


def _method(content: bytes, method: int) -> bytes:
    central = content.index(b"PK\x01\x02")
    return content[:8] + bytes([method]) + content[9 : central + 10] + bytes([method]) + content[central + 11 :]


def _header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def _archive() -> bytes:
    content = io.BytesIO()
    np.savez(content, features=np.ones((9, 6), np.float32))
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        _encrypted(_archive()),
        _method(_archive(), 99),
        _method(_archive(), 14),
        _archive()[:-30],
        _header("{'descr': '<f4', 'fortran_order': False, 'shape': (9"),
        _header("(" * 20_000),
        _header("{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000, 6), }\n"),
        _header("{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000000000000000, 6), }\n"),
        b"",
    ],
    ids=["encrypted", "unknown method", "lzma", "cut", "cut header", "deep", "huge", "beyond int64", "nothing"],
)
def test_a_damaged_array_is_one_line(tmp_path, content):
    file = tmp_path / "tea.npz"
    file.write_bytes(content)
    for read in (open_array, read_header, lambda path: load_features(path, 6)):
        if read is read_header and b"PK" in content[:2] and content[8] in (99, 14):
            continue  # the header of an array is read from its packed bytes as well
        with pytest.raises(InputError, match=r"tea\.npz") as error:
            read(file)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("others", [[], ["times"]], ids=["one array", "several arrays"])
def test_an_npz_file_is_read_as_an_npy_file_is(tmp_path, save, others):
    values = np.arange(12, dtype=np.float16).reshape(4, 3)
    save(tmp_path / "tea.npz", **dict.fromkeys(others, np.ones(4)), features=values.T)
    features = FeatureFolder(tmp_path)
    assert features.has("tea")
    assert not features.has("jam")
    assert features.shape("tea") == (3, 4)
    np.testing.assert_array_equal(features.load("tea", time_first=False), values)
    assert features.unlabelled(["jam"]) == ["tea"]
    assert features.unlabelled(["tea"]) == []
    np.testing.assert_array_equal(load_features(tmp_path / "tea.npz", feature_dim=3), values)


def test_only_the_header_of_an_npz_file_is_read_for_its_shape(tmp_path):
    np.savez(tmp_path / "tea.npz", np.ones((400, 30)))
    whole = (tmp_path / "tea.npz").read_bytes()
    (tmp_path / "tea.npz").write_bytes(whole[:5000] + bytes(5000) + whole[10_000:])
    assert FeatureFolder(tmp_path).shape("tea") == (400, 30)
    with pytest.raises(InputError, match=r"tea\.npz is not a whole \.npz file"):
        FeatureFolder(tmp_path).load("tea", time_first=True)


@pytest.mark.parametrize("what", ["shape", "load"])
def test_an_npz_file_that_is_cut_off_or_unclear_is_refused(tmp_path, what):
    def read() -> object:
        features = FeatureFolder(tmp_path)
        return features.shape("tea") if what == "shape" else features.load("tea", time_first=True)

    np.savez(tmp_path / "tea.npz", a=np.ones((9, 2)), b=np.ones((9, 2)))
    with pytest.raises(InputError, match=r"archive of several arrays \(a, b\); save one array, or call it 'features'"):
        read()
    (tmp_path / "tea.npz").write_bytes((tmp_path / "tea.npz").read_bytes()[:200])
    with pytest.raises(InputError, match=r"tea\.npz is not a whole \.npz file"):
        read()
    np.save(tmp_path / "tea.npy", np.ones((9, 2)))
    with pytest.raises(InputError, match=r"tea\.npy and tea\.npz are features of one video; remove one"):
        read()


# Orientation


def _decide(tmp_path: Path, shapes: list[tuple[int, int]], lengths: list[int]) -> bool:
    names = [f"v{i}" for i in range(len(shapes))]
    expected = {name: float(n) for name, n in zip(names, lengths, strict=True)}
    return is_time_first(FeatureFolder(tmp_path), dict(zip(names, shapes, strict=True)), ExpectedLengths(expected))


def test_the_label_count_decides_which_axis_is_time(tmp_path):
    assert _decide(tmp_path, [(500, 64)], [500])
    assert not _decide(tmp_path, [(64, 500)], [502])
    assert not _decide(tmp_path, [(64, 64), (64, 500)], [64, 500]), "a square array follows the others"


@pytest.mark.parametrize(
    ("shapes", "lengths", "message"),
    [
        ([(64, 65)], [64], "both axes"),
        ([(64, 500)], [503 + 3], "v0.npy is \\[64, 500\\], but its labels make 506 frames.*tolerance is 3"),
        ([(64, 500), (400, 64)], [500, 400], "v1.npy is \\[T, D\\] but .*v0.npy is \\[D, T\\]"),
    ],
)
def test_orientation_is_refused_when_unclear(tmp_path, shapes, lengths, message):
    with pytest.raises(InputError, match=message):
        _decide(tmp_path, shapes, lengths)


def test_the_tolerance_is_two_frames_or_half_a_percent():
    assert [default_tolerance(float(n)) for n in (1, 100, 400, 401, 10_000)] == [2, 2, 2, 3, 50]


@pytest.mark.parametrize(("fps", "most"), [(0.5, 1), (1.0, 1), (15.0, 15), (29.97, 29)])
def test_no_tolerance_is_more_than_a_second(fps, most):
    assert default_tolerance(1e5, fps) == most
    assert ExpectedLengths({}, most, fps).allowed(1e5) == most
    with pytest.raises(InputError, match=rf"--tolerance-frames {most + 1} is more than a second"):
        ExpectedLengths({}, most + 1, fps)


# Resampling


@given(
    num_frames=st.integers(1, 300),
    fps=st.sampled_from([1.0, 3.0, 10.0, 15.0, 29.97, 30.0]),
    new_fps=st.sampled_from([1.0, 3.0, 10.0, 15.0, 29.97, 30.0]),
)
def test_an_output_frame_takes_the_source_frame_at_its_middle(num_frames, fps, new_fps):
    indices = resample_indices(num_frames, fps, new_fps)
    middles = (np.arange(len(indices)) + 0.5) / new_fps
    slack = 1e-9
    if num_frames / fps > 0.5 / new_fps + slack:
        assert (indices / fps <= middles + slack).all()
        assert (middles <= (indices + 1) / fps + slack).all()
    assert abs(len(indices) / new_fps - num_frames / fps) <= max(0.5 / new_fps, 1 / new_fps - num_frames / fps) + slack
    assert (np.diff(indices) >= 0).all()


rates = st.one_of(
    st.sampled_from([Fraction(n * 1000, 1001) for n in (10, 24, 30, 60, 120)]),
    st.floats(0.01, 1000).map(lambda rate: Fraction(f"{rate:.15g}")),
)


@settings(deadline=None)
@given(rates, rates, st.integers(1, 1_000_000), st.lists(st.integers(0, 2**40), max_size=30))
def test_resampling_is_exact_for_any_rates_and_lengths(fps, new_fps, num_frames, asked):
    assume(num_frames * new_fps / fps <= 1_000_000)
    indices = resample_indices(num_frames, float(fps), float(new_fps))
    for j in {0, len(indices) - 1, *(one % len(indices) for one in (2**16 - 1, 2**16, *asked))}:  # 2**16: a block
        middle = (j + Fraction(1, 2)) * fps / new_fps
        assert indices[j] == min(math.floor(middle), num_frames - 1)
    assert (len(indices) + Fraction(1, 2)) * fps / new_fps >= num_frames, "no whole frame is left out"


def test_resampling_by_a_whole_factor_and_by_one():
    assert resample_indices(7, 3.0, 1.0).tolist() == [1, 4]
    assert resample_indices(8, 3.0, 1.0).tolist() == [1, 4, 7]
    assert resample_indices(3, 1.0, 2.0).tolist() == [0, 0, 1, 1, 2, 2]
    assert resample_indices(9, 15.0, 15.0).tolist() == list(range(9))
    with pytest.raises(InputError, match="positive"):
        resample_indices(9, 0.0, 15.0)


def test_later_frames_never_change_earlier_ones():
    for long in range(2, 60):
        short = resample_indices(long - 1, 10.0, 3.0)
        if (long - 1) * 3 >= 5:  # long enough for one whole output frame
            np.testing.assert_array_equal(resample_indices(long, 10.0, 3.0)[: len(short)], short)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_vanished_segments_are_those_without_a_chosen_frame(labels):
    chosen = resample_indices(len(labels), 10.0, 3.0)
    expected, start = [], 0
    for label, run in itertools.groupby(labels):
        end = start + len(list(run))
        if not any(start <= i < end for i in chosen):
            expected.append([start, end, label])
        start = end
    assert vanished_segments(np.array(labels), chosen).tolist() == expected


# EgoProceL's JSON


def _egoprocel(path: Path, **changes: object) -> Path:
    task = {
        "handles": ["one", "two"],
        "hdl_actions": [["0", "1"], ["1", "0"]],
        "hdl_start_times": [[0, 20], [0, 30]],
        "hdl_end_times": [[20, 50], [30, 40]],
    }
    (path / "egoprocel.json").write_text(json.dumps({"tea": {**task, **changes}}))
    (path / "egoprocel-id2action.txt").write_text("0 background\n1 pour")
    return path


def test_egoprocel_labels_are_painted_from_segments_without_gaps(tmp_path):
    layout = open_layout(_egoprocel(tmp_path))
    assert layout.labels("one").tolist() == [0] * 20 + [1] * 30
    assert layout.task("two") == "tea"
    assert layout.annotation_fps == 10
    assert "drawn per task with seed 0" in layout.notices[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hdl_actions": [["0", "7"], ["1", "0"]]}, "unknown class id '7'"),
        ({"hdl_start_times": [[0, 21], [0, 30]]}, "each starting where the one before ends"),
        ({"hdl_end_times": [[20, 20], [30, 40]]}, "segment 1 has no frames"),
        ({"hdl_end_times": [[20], [30, 40]]}, "2 actions, 2 starts and 1 ends"),
    ],
)
def test_bad_egoprocel_annotations_are_named(tmp_path, changes, message):
    layout = open_layout(_egoprocel(tmp_path, **changes))
    with pytest.raises(InputError, match=rf"tea, annotation 0 \(one\): .*{message}"):
        layout.labels("one")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"handles": ["one", "one"]}, "handle one comes twice"),
        ({"handles": ["one", "two", "three"]}, "3 handles and 2 annotations"),
        ({"hdl_end_times": None}, "has no list hdl_end_times"),
    ],
)
def test_bad_egoprocel_tasks_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        open_layout(_egoprocel(tmp_path, **changes))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.lists(st.integers(1, 30), min_size=4, max_size=7))
def test_pairing_in_order_equals_trying_all_pairings(lengths, ends):
    def total(pairing):
        return sum(abs(lengths[n] - ends[m]) for n, m in enumerate(pairing))

    pairing = pair_in_order(np.array(lengths), np.array(ends)).tolist()
    assert pairing == sorted(set(pairing))
    assert total(pairing) == min(map(total, itertools.combinations(range(len(ends)), len(lengths))))


def test_egoprocel_is_read_whole_and_its_surplus_of_annotations_is_reported(shared_folder):
    layout = open_layout(shared_folder / "data" / "egoprocel")
    assert len(layout.video_names) == 325
    sizes = {part: len(names) for part, names in layout.splits["1"].items()}
    assert sizes == {"train": 245, "validation": 32, "test": 48}
    assert "Pizza.cmu (one for each camera)" in layout.notices[0]
    assert sum(len(layout.labels(video)) for video in layout.video_names) > 2_000_000


def test_the_lengths_of_features_decide_which_annotation_a_video_gets(shared_folder):
    # Sessions as the annotations show them: 13 of five cameras, 13 of six, one of five that has no handle, 6 of six.
    layout = open_egoprocel(shared_folder / "data" / "egoprocel", LayoutOptions())
    task = layout.tasks["Pizza.cmu"]
    third_camera = [*range(2, 65, 5), *range(67, 143, 6), *range(150, 184, 6)]
    truth = dict(zip(task["handles"], third_camera, strict=True))
    lengths = {video: float(task["hdl_end_times"][index][-1]) for video, index in truth.items()}
    wrong_before = sum(len(layout.labels(video)) != length for video, length in lengths.items())
    layout.pair_by_length("features", lengths)
    assert wrong_before == 31
    assert all(len(layout.labels(video)) == length for video, length in lengths.items())
    for video, index in truth.items():
        assert task["hdl_actions"][layout.annotations[video].index] == task["hdl_actions"][index]
        assert task["hdl_start_times"][layout.annotations[video].index] == task["hdl_start_times"][index]
    assert "paired in order by the lengths of features" in layout.notices[-1]


def test_features_as_long_as_the_first_annotations_keep_the_authors_pairing(shared_folder):
    layout = open_egoprocel(shared_folder / "data" / "egoprocel", LayoutOptions())
    before = dict(layout.annotations)
    layout.pair_by_length("features", {video: float(len(layout.labels(video))) for video in layout.video_names})
    assert layout.annotations == before
