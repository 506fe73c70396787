"""Files that are no videos, and the error for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.video_files import av, plain, write_sound, write_video

PLAYLIST = "#EXTM3U\n#EXTINF:1,\nhttp://example.org/a.ts\n"


def without_pictures(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        container.add_stream("libx264", rate=25, width=64, height=48)
        container.start_encoding()
    return path


def of_zeros(path: Path) -> Path:
    content = bytearray(write_video(path, muxing={"movflags": "faststart"}).read_bytes())
    start = content.index(b"mdat") + 4
    content[start:] = bytes(len(content) - start)
    path.write_bytes(content)
    return path


def of_unknown_codec(path: Path) -> Path:
    write_video(path)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    return path


def without_index(path: Path) -> Path:
    write_video(path)
    path.write_bytes(path.read_bytes()[:-400])
    return path


def text(path: Path, content: str = "a,b\n1,2\n") -> Path:
    path.write_text(content)
    return path


def encrypted(path: Path) -> Path:
    key = {"encryption_key": "76a6c65c5ea762046bd749a2e632ccbb", "encryption_kid": "a7e61c373e219033c21091fa607bf3b8"}
    return write_video(path, muxing={"encryption_scheme": "cenc-aes-ctr", **key})


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "none.mp4": (lambda path: None, "no video .*none.mp4.*correct the path"),
    "folder.mp4": (Path.mkdir, "is a folder"),
    "empty.mp4": (lambda path: text(path, ""), "is empty"),
    "text.mp4": (text, "is not a video"),
    "text.txt": (text, "is not a video"),
    "list.m3u8": (lambda path: text(path, PLAYLIST), "is not a video"),
    "picture.png": (lambda path: write_video(path, [0], codec="png", pixels="rgb24"), "is not a video"),
    "sound.mp4": (write_sound, "has no video track, only audio"),
    "no-frames.mkv": (without_pictures, "ends before its first picture"),
    "no-frames.mp4": (without_pictures, "has no video track, nor any other"),
    "zeros.mp4": (of_zeros, "no picture can be decoded"),
    "encrypted.mp4": (encrypted, "its pictures are encrypted"),
    "codec.mp4": (of_unknown_codec, "does not know the codec"),
    "cut.mp4": (without_index, "its beginning or its index is missing"),
    "long.mkv": (lambda path: write_video(path, pictures=[plain(1, 512, 8)] * 10), "512 pixels wide and 8 high"),
}
"""Name -> what makes the file, and the error."""


def broken(folder: Path, name: str) -> tuple[Path, str]:
    """One of these files, and the error."""
    make, expected = BROKEN[name]
    make(folder / name)
    return folder / name, expected
