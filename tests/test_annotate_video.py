"""An annotated video has the pictures, times, sound and size of its video, and a panel on every picture."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from protas_gtcc.errors import InputError
from protas_gtcc.video.opening import BrokenVideo, first_picture_seconds, seconds_of_packets
from protas_gtcc.video.picture_files import write_picture

av = pytest.importorskip("av", reason="annotating videos needs the package av: pip install -e '.[video]'")

from protas_gtcc.video import encoders  # noqa: E402
from protas_gtcc.video.planes import Upright  # noqa: E402
from protas_gtcc.video.rewriting import rewrite  # noqa: E402
from tests.conftest import slow_but_first  # noqa: E402
from tests.video_files import TICK, grey, plain, write_sound, write_video  # noqa: E402

PANEL = 40
"""Height of the panel in these tests: as red as the time, 20 a second, over blue."""


def make_draw(width: int, height: int):
    def draw(seconds: Fraction) -> np.ndarray:
        return np.full((PANEL, width, 3), (min(255, int(20 * seconds)), 0, 200), np.uint8)

    return draw


def decoded(path: Path) -> tuple[list[Fraction], np.ndarray]:
    """Times in seconds, and pixels `[T, H, W, 3]`, of all pictures."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        times = [frame.pts * frame.time_base for frame in frames]
        return times, np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def sound_of(path: Path) -> list[tuple[Fraction, bytes]]:
    """Time and bytes of each packet of sound."""
    with av.open(str(path)) as container:
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in container.demux(audio=0) if packet.size]


def size_of(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        return container.streams.video[0].width, container.streams.video[0].height


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("pts", [range(0, 1000, 40), [0, 40, 50, 300, 310, 900], [500, 540, 900, 1000]], ids=str)
def test_times_of_any_rate_are_kept(pts, ending, tmp_path):
    video = write_video(tmp_path / "a.mp4", pts=list(pts))
    done = rewrite(video, tmp_path / f"out.{ending}", make_draw)
    before, after = decoded(video)[0], decoded(tmp_path / f"out.{ending}")[0]
    assert after == before
    assert done.num_pictures == len(pts)


def test_the_rate_of_the_file_is_kept(tmp_path):
    tick = Fraction(1, 30_000)
    video = write_video(tmp_path / "a.mp4", pts=range(0, 20 * 1001, 1001), tick=tick)
    rewrite(video, tmp_path / "out.mp4", make_draw)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(30_000, 1001)
    assert seconds_of_packets(tmp_path / "out.mp4") == pytest.approx(20 * 1001 / 30_000)


def test_the_picture_stays_and_the_panel_is_below_it(tmp_path):
    video = write_video(tmp_path / "a.mp4")
    done = rewrite(video, tmp_path / "out.mp4", make_draw)
    times, pixels = decoded(tmp_path / "out.mp4")
    assert done.size == size_of(tmp_path / "out.mp4") == (64, 48 + PANEL)
    for number, (time, picture) in enumerate(zip(times, pixels, strict=True)):
        assert abs(picture[4:40].astype(int) - grey(number)).max() < 6
        colour = picture[48 + 8 : 48 + PANEL - 8, 8:-8].reshape(-1, 3).mean(axis=0)
        assert abs(colour - (int(20 * time), 0, 200)).max() < 6


def test_over_the_picture_the_size_stays(tmp_path):
    video = write_video(tmp_path / "a.mp4")
    rewrite(video, tmp_path / "out.mp4", make_draw, over=True)
    _, pixels = decoded(tmp_path / "out.mp4")
    assert size_of(tmp_path / "out.mp4") == (64, 48)
    assert abs(pixels[0][1:6].astype(int) - grey(0)).max() < 8
    assert pixels[0][20:40, :, 2].mean() == pytest.approx(0.85 * 200 + 0.15 * grey(0), abs=6)


def test_the_sound_is_copied_byte_for_byte(tmp_path):
    video = write_video(tmp_path / "a.mp4", sound="aac")
    rewrite(video, tmp_path / "out.mp4", make_draw)
    assert sound_of(tmp_path / "out.mp4") == sound_of(video)
    assert len(sound_of(video)) > 10


def test_sound_that_the_format_does_not_hold_is_refused_with_one_that_does(tmp_path):
    video = write_video(tmp_path / "a.mkv", pts=[0, 40], sound="wavpack")
    with pytest.raises(
        InputError, match=r"is wavpack, which \.mp4 does not hold; give --out a name that ends in \.mkv"
    ):
        rewrite(video, tmp_path / "out.mp4", make_draw)
    assert not list(tmp_path.glob("*out*"))
    rewrite(video, tmp_path / "silent.mp4", make_draw, sound=False)
    rewrite(video, tmp_path / "out.mkv", make_draw)
    assert sound_of(tmp_path / "out.mkv") == sound_of(video)


def quarters(width: int, height: int) -> np.ndarray:
    """White at the top left, black elsewhere."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = 255
    return picture


def test_a_rotation_that_changes_in_the_middle_keeps_the_size(tmp_path):
    parts = [write_video(tmp_path / f"{turn}.mp4", [0, 40, 80], rotation=turn) for turn in (0, 90)]
    with av.open(str(parts[0])) as one, av.open(str(parts[1])) as other:
        frames = [*one.decode(video=0), *other.decode(video=0), *av.open(str(parts[0])).decode(video=0)]
        upright = Upright(Fraction(1))
        assert {plane[0].shape for plane in map(upright.planes, frames)} == {(48, 64)}
        upright = Upright(Fraction(1))
        assert {plane[0].shape for plane in map(upright.planes, frames[3:])} == {(64, 48)}


@pytest.mark.parametrize(("rotation", "corner"), [(90, "bottom left"), (180, "bottom right"), (270, "top right")])
def test_a_rotated_video_is_upright_and_so_is_the_panel(rotation, corner, tmp_path):
    pictures = [quarters(64, 48)] * 3
    video = write_video(tmp_path / "a.mp4", pts=[0, 40, 80], pictures=pictures, rotation=rotation)
    rewrite(video, tmp_path / "out.mp4", make_draw)
    width, height = (48, 64) if rotation != 180 else (64, 48)
    assert size_of(tmp_path / "out.mp4") == (width, height + PANEL)
    picture = decoded(tmp_path / "out.mp4")[1][0]
    places = {"top": 4, "bottom": height - 6, "left": 4, "right": width - 6}
    row, column = (places[word] for word in corner.split())
    assert picture[row, column].min() > 220
    assert picture[height - 1 - row, column].max() < 40


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv444p", "yuvj420p", "gbrp", "gray"])
def test_colours_are_kept_from_other_formats_of_pixels(pixels, tmp_path):
    codec = {"gbrp": "libx264rgb", "gray": "ffv1"}.get(pixels, "libx264")
    pictures = [np.full((48, 64, 3), (200, 200, 200) if pixels == "gray" else (200, 60, 90), np.uint8)] * 3
    video = write_video(
        tmp_path / "a.mkv", [0, 40, 80], pictures, codec=codec, pixels=pixels if pixels != "gbrp" else "rgb24"
    )
    rewrite(video, tmp_path / "out.mkv", make_draw)
    picture = decoded(tmp_path / "out.mkv")[1][0]
    assert abs(picture[8:40, 8:56].astype(int) - pictures[0][0, 0]).max() <= 8
    assert abs(picture[60:80, 8:56].astype(int) - (0, 0, 200)).max() <= 8


def test_odd_sizes_become_even(tmp_path):
    pictures = [np.full((47, 63, 3), 100, np.uint8)] * 3
    video = write_video(tmp_path / "a.mkv", [0, 40, 80], pictures, pixels="yuv444p")
    assert rewrite(video, tmp_path / "out.mp4", make_draw).size == (64, 48 + PANEL)


def test_pixels_that_are_not_square_become_square(tmp_path):
    video = write_video(tmp_path / "a.mp4", pixel_width=Fraction(2))
    assert rewrite(video, tmp_path / "out.mp4", make_draw).size == (128, 48 + PANEL)


def test_without_libx264_it_is_mpeg4(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "ENCODERS", ("no such", "mpeg4"))
    video = write_video(tmp_path / "a.mp4", pts=range(0, 20 * 3003, 3003), tick=Fraction(1, 90_000))
    done = rewrite(video, tmp_path / "out.mp4", make_draw)
    times, pixels = decoded(tmp_path / "out.mp4")
    assert done.encoder == "mpeg4"
    assert [round(float(time) * 29.97) for time in times] == list(range(20))
    assert abs(pixels[7][4:40].astype(int) - grey(7)).max() < 8


def test_a_damaged_tail_gives_what_can_be_decoded_and_a_note(tmp_path):
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(40)]
    video = write_video(tmp_path / "a.mkv", range(0, 4000, 100), pictures, options={"g": "5"})
    content = video.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    done = rewrite(tmp_path / "cut.mkv", tmp_path / "out.mp4", make_draw)
    assert 0 < done.num_pictures < 40
    assert "its end is missing" in " ".join(done.notes)
    assert len(decoded(tmp_path / "out.mp4")[0]) == done.num_pictures


def test_what_is_no_video_leaves_no_file(tmp_path):
    (tmp_path / "text.mp4").write_text("not a video")
    for path in (tmp_path / "text.mp4", tmp_path / "absent.mp4", write_sound(tmp_path / "sound.m4a")):
        with pytest.raises(BrokenVideo):
            rewrite(path, tmp_path / "out" / "out.mp4", make_draw)
    assert not (tmp_path / "out").exists()


def test_an_error_in_the_middle_leaves_no_file(tmp_path):
    def make_failing(width: int, height: int):
        def draw(seconds: Fraction) -> np.ndarray:
            if seconds > Fraction(1, 2):
                raise KeyboardInterrupt
            return make_draw(width, height)(seconds)

        return draw

    video = write_video(tmp_path / "a.mp4", sound="aac")
    with pytest.raises(KeyboardInterrupt):
        rewrite(video, tmp_path / "out" / "out.mp4", make_failing)
    assert not (tmp_path / "out").exists()


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"out\.avi: a video is written as \.mp4, \.m4v, \.mov, \.mkv"):
        rewrite(write_video(tmp_path / "a.mp4"), tmp_path / "out.avi", make_draw)


def test_one_picture_as_png_has_the_panel_as_it_was_drawn(tmp_path):
    video = write_video(tmp_path / "a.mp4")
    write_picture(tmp_path / "a.png", video, make_draw, Fraction(45, 100))
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert pixels.shape == (48 + PANEL, 64, 3)
    assert (pixels[48:] == (8, 0, 200)).all()  # at 0.4 s, when the picture began
    assert abs(pixels[:40].astype(int) - grey(4)).max() < 6


@pytest.mark.parametrize("seconds", [-1, 1, 50])
def test_a_picture_beyond_the_video_is_refused(seconds, tmp_path):
    with pytest.raises(InputError, match=r"--at -?\d+: .* give a time"):
        write_picture(tmp_path / "a.png", write_video(tmp_path / "a.mp4"), make_draw, Fraction(seconds))


def test_the_first_picture_may_come_after_the_sound(tmp_path):
    assert first_picture_seconds(write_video(tmp_path / "a.mp4")) == 0
    late = write_video(tmp_path / "b.mkv", pts=[500, 540, 580], sound="aac")
    assert first_picture_seconds(late) == Fraction(1, 2)


MEMORY = """
import resource, sys
import numpy as np
from pathlib import Path
from protas_gtcc.video.rewriting import rewrite

panel = np.zeros((100, 640, 3), np.uint8)
peaks = []

def make_draw(width, height):
    return lambda seconds: panel.copy()

def on_seconds(done, total):
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

rewrite(Path(sys.argv[1]), Path(sys.argv[2]), make_draw, on_seconds=on_seconds, threads=1)
print(peaks[len(peaks) // 4], peaks[-1])
"""


def test_memory_does_not_grow_with_the_video(tmp_path):
    pictures = [np.random.default_rng(number).integers(0, 255, (480, 640, 3), np.uint8) for number in range(3)]
    options = {"preset": "ultrafast", "crf": "40"}
    shown = [pictures[number % 3] for number in range(400)]
    video = write_video(tmp_path / "a.mp4", range(0, 400 * 40, 40), shown, options=options)
    command = [sys.executable, "-c", MEMORY, str(video), str(tmp_path / "out.mp4")]
    early, late = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert late < 1.1 * early  # 300 pictures are 140 MB


def test_ticks_of_a_video_are_those_of_its_file(tmp_path):
    video = write_video(tmp_path / "a.mkv", pts=[0, 33, 67, 100], tick=TICK)
    rewrite(video, tmp_path / "out.mkv", make_draw)
    assert decoded(tmp_path / "out.mkv")[0] == [Fraction(time, 1000) for time in (0, 33, 67, 100)]


def test_a_panel_that_does_not_fit_over_the_picture_is_refused(tmp_path):
    video = write_video(tmp_path / "a.mp4", pictures=[plain(k, 64, 36) for k in range(10)])
    with pytest.raises(InputError, match="40 pixels high does not fit over pictures of 36; draw it below"):
        rewrite(video, tmp_path / "out.mp4", make_draw, over=True)


def test_pictures_that_the_encoder_does_not_take_are_refused(tmp_path):
    def make_high(width: int, height: int):
        return lambda seconds: np.zeros((20_000, width, 3), np.uint8)

    with pytest.raises(InputError, match="libx264 does not take pictures of 64x20048"):
        rewrite(write_video(tmp_path / "a.mp4"), tmp_path / "out.mp4", make_high)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("name", slow_but_first(["v_GGSY1Qvo990", "v_ZNVhz7ctTq0", "example"]))
def test_real_clips_keep_their_times_and_their_sound(name, shared_folder, tmp_path):
    video = shared_folder / "data" / "video" / f"{name}.mp4"
    if not video.is_file():
        pytest.skip(f"no {video.name} among the shared data")
    done = rewrite(video, tmp_path / "out.mp4", make_draw, threads=1)
    assert presentation_times(tmp_path / "out.mp4") == presentation_times(video)
    assert sound_of(tmp_path / "out.mp4") == sound_of(video)
    assert done.size == (size_of(video)[0], size_of(video)[1] + PANEL)


def presentation_times(path: Path) -> list[Fraction]:
    """Of all pictures, by their packets."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
        return sorted(packet.pts * packet.time_base for packet in packets)
