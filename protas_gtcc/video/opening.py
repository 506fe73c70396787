"""Opening a video file: its video track, and what is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.errors import InputError, lacks_package
from protas_gtcc.storage.file_kinds import require_regular

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

WAY_OUT = "replace it, or leave it out (extract, prepare and predict have --skip-broken)"
LARGEST_PIXELS = 1 << 26
"""Of a picture, twice as many as 8K has. A small file may claim more, of which a few pictures fill the memory."""
_NOT_VIDEOS = ("tty", "concat", "hls", "dash", "imf", "sdp", "rtsp", "image2", "webvtt", "srt", "ass")
"""FFmpeg's formats that are texts, pictures, or lists of other files and addresses, which are not followed."""

_OF_FILES = ("matroska", "asf")
"""FFmpeg's formats that say how long a file lasts, and not a track: FFmpeg may give a track the time of the file, which
is that of the sound or of subtitles."""
LARGEST_PIXELS = 1 << 26
"""Of a picture: twice of 8K. Several are in memory at once, at three bytes a pixel and more."""


class BrokenVideo(InputError):
    """A file that is no video, or none that can be decoded. A command may go on with others."""


@dataclass(frozen=True, eq=False)
class OpenVideo:
    """An open file and its video track."""

    path: Path | str
    """The file, or the name of a camera or an address."""
    container: InputContainer
    stream: VideoStream

    @property
    def tick(self) -> Fraction:
        """Seconds of a unit in which times are counted."""
        return self.stream.time_base or Fraction(1, 1000)

    @property
    def about_seconds(self) -> float | None:
        """About how long the video lasts, in seconds, by the header; None where it has no length."""
        return self._of_track or self._of_file or None

    @property
    def promised_seconds(self) -> float | None:
        """Least length of the video in seconds, by the header; None where it has no length, or one with the sound."""
        if self._of_track is None:
            # Of some formats, the whole file lasts from 0 on, and the video starts later.
            start = float((self.stream.start_time or 0) * (self.stream.time_base or 0))
            is_alone = len(self.container.streams) == 1
            return self._of_file - max(start, 0.0) if is_alone and self._of_file is not None else None
        # The file is shorter than the track where an edit list cuts that, and longer where the sound is.
        return min(self._of_track, self._of_file or self._of_track)

    @property
    def _of_track(self) -> float | None:
        if self.container.format.name.startswith(_OF_FILES):
            return None
        duration, tick = self.stream.duration, self.stream.time_base
        return float(duration * tick) if duration and tick else None

    @property
    def _of_file(self) -> float | None:
        return self.container.duration / 1e6 if self.container.duration else None

    @property
    def pixel_width(self) -> Fraction:
        """Width of a pixel over its height."""
        return self.stream.sample_aspect_ratio or Fraction(1)


@contextmanager
def open_video(path: Path) -> Iterator[OpenVideo]:
    """Open a file and its first video track; still pictures beside the sound are none.

    Raises `BrokenVideo` for what is not a video that FFmpeg reads, and `InputError` without the package `av`.
    """
    try:
        import av
        import av.error
    except ImportError as error:
        raise lacks_package("reading videos", error, "video") from error
    _require_file(path)
    try:
        # Only this file: no format may lead to another protocol. Texts in wrong encodings are no reason to stop.
        options = {"protocol_whitelist": "file"}
        container = av.open(str(path.absolute()), metadata_errors="replace", container_options=options)
    except av.error.EOFError as error:
        raise BrokenVideo(f"{path} ends before its first picture; {WAY_OUT}") from error
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        what = f"{path} is not a video, or its beginning or its index is missing or damaged ({reason})"
        raise BrokenVideo(f"{what}; {WAY_OUT}") from error
    with container:
        names = container.format.name.split(",")
        if any(name in _NOT_VIDEOS or name.endswith("_pipe") for name in names):
            raise BrokenVideo(f"{path} is not a video (FFmpeg reads it as {container.format.name}); {WAY_OUT}")
        yield OpenVideo(path, container, video_stream(path, container))


def seconds_of_packets(path: Path) -> float:
    """Length of a video in seconds, by its packets, without decoding: of a file without its end, what is there.

    Raises as `open_video` does.
    """
    import av.error

    first, end = None, 0
    with open_video(path) as video:
        with suppress(av.error.FFmpegError):  # the rest of the file is missing
            for packet in video.container.demux(video.stream):
                if packet.pts is not None:
                    first = packet.pts if first is None else min(first, packet.pts)
                    end = max(end, packet.pts + (packet.duration or 0))
        return float((end - (first or 0)) * (video.stream.time_base or 0))


def first_picture_seconds(path: Path) -> Fraction:
    """When a player shows the first picture, in seconds: later than 0 where the sound begins earlier.

    Raises as `open_video`.
    """
    import av.error

    with open_video(path) as video:
        try:
            packet = next(video.container.demux(video.stream), None)
        except av.error.FFmpegError as error:
            raise BrokenVideo(f"{path}: its first picture cannot be read ({error.strerror}); {WAY_OUT}") from error
        start = (packet.pts or 0 if packet else 0) * (video.stream.time_base or Fraction(0))
        return max(start - Fraction(video.container.start_time or 0, 1_000_000), Fraction(0))


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise BrokenVideo(f"{path} is a folder, not a video; name its files")
    try:
        require_regular(path)
        with open(path, "rb") as file:
            is_empty = not file.read(1)
    except PermissionError as error:
        raise BrokenVideo(f"cannot read {path} ({error.strerror}); get the right to it, or leave it out") from error
    except OSError as error:
        raise BrokenVideo(f"no video {path} ({error.strerror}); correct the path") from error
    except InputError as error:
        raise BrokenVideo(str(error)) from error
    if is_empty:
        raise BrokenVideo(f"{path} is empty; {WAY_OUT}")


def video_stream(path: Path | str, container: InputContainer, way_out: str = WAY_OUT) -> VideoStream:
    """The first video track.

    Raises `BrokenVideo` if there is none, none that this FFmpeg decodes, or one of more than `LARGEST_PIXELS`.
    """
    videos = [one for one in container.streams.video if not _is_still(one)]
    if not videos:
        kinds = ", ".join(sorted({one.type for one in container.streams}))
        raise BrokenVideo(f"{path} has no video track, {f'only {kinds}' if kinds else 'nor any other'}; {way_out}")
    stream = videos[0]
    if getattr(stream, "codec_context", None) is None:
        raise BrokenVideo(f"{path}: this FFmpeg does not know the codec, so the video must be converted; {way_out}")
    if stream.width * stream.height > LARGEST_PIXELS:
        what = f"its pictures are {stream.width} x {stream.height}; at most {LARGEST_PIXELS:,} pixels are taken"
        raise BrokenVideo(f"{path}: {what}: scale the video before; {way_out}")
    stream.codec_context.options = {"max_pixels": str(LARGEST_PIXELS)}  # of later pictures, which may be larger
    return stream


def _is_still(stream: VideoStream) -> bool:
    """Whether it is the cover of an album or the like."""
    from av.stream import Disposition

    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))
