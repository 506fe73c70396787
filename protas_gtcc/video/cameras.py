"""Opening what shows pictures now: a camera of this machine, or an address.

camera:0              the first camera; on Linux /dev/video0
camera:NAME           a device, as camera:/dev/video2, or on Windows and macOS a camera's name
screen                what this machine's screen shows
rtsp://HOST/PATH      a network camera; rtmp, http, https, udp and srt too
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protas_gtcc.errors import InputError, lacks_package, listed
from protas_gtcc.video.opening import OpenVideo, video_stream

CAMERA, SCREEN = "camera:", "screen"
OPEN_SECONDS = 10.0
"""Time for a camera or an address to send its first pictures."""
SILENT_SECONDS = 10.0
"""A camera that sends nothing for longer is taken for dead, unless another time is given."""
PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtp,udp,tcp,tls,crypto",
    "rtmp": "rtmp,tcp",
    "http": "http,tcp",
    "https": "https,http,tls,tcp,crypto",
    "udp": "udp",
    "srt": "srt,udp",
}
"""Scheme of an address -> what FFmpeg may use for it: never a file of this machine."""


def is_live(name: str) -> bool:
    """Whether it is a camera, the screen or an address of a video."""
    return name == SCREEN or name.startswith(CAMERA) or ("://" in name and name.split("://")[0].lower() in PROTOCOLS)


@contextmanager
def open_live(name: str, silent_seconds: float | None) -> Iterator[OpenVideo]:
    """Open a camera or an address; reading fails after `silent_seconds` without data.

    Raises `InputError` if nothing can be opened, and `BrokenVideo` if there are no pictures in it.
    """
    try:
        import av
        import av.error
    except ImportError as error:
        raise lacks_package("reading cameras", error, "video") from error
    file, kind, options = _opened(name)
    try:
        timeout = (OPEN_SECONDS, silent_seconds)
        container = av.open(file, format=kind, metadata_errors="replace", container_options=options, timeout=timeout)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, av.error.ExitError):
            reason = f"no answer in {OPEN_SECONDS:g} s"
        raise InputError(f"cannot open {name} ({reason}); {_way_out(name)}") from error
    with container:
        yield OpenVideo(name, container, video_stream(name, container, "name another source"))


def _opened(name: str) -> tuple[str, str | None, dict[str, str]]:
    """What FFmpeg opens, its format, and options of it."""
    if name == SCREEN:
        return _screen()
    if name.startswith(CAMERA):
        return _camera(name.removeprefix(CAMERA))
    scheme = name.split("://")[0].lower()
    options = {"protocol_whitelist": PROTOCOLS[scheme]}
    return name, None, options | ({"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {})


def _screen() -> tuple[str, str, dict[str, str]]:
    if sys.platform == "darwin":
        return "Capture screen 0:none", "avfoundation", {}
    if sys.platform == "win32":
        return "desktop", "gdigrab", {}
    return os.environ.get("DISPLAY", ":0"), "x11grab", {}


def _camera(which: str) -> tuple[str, str, dict[str, str]]:
    if sys.platform == "darwin":
        return f"{which}:none", "avfoundation", {"framerate": "30"}  # at its default of 29.97, no camera opens
    if sys.platform == "win32":
        names = camera_names()
        return f"video={names[int(which)] if which.isdigit() and int(which) < len(names) else which}", "dshow", {}
    return f"/dev/video{which}" if which.isdigit() else which, "v4l2", {}


def camera_names() -> list[str]:
    """The cameras of this machine, as far as they can be listed."""
    if sys.platform.startswith("linux"):
        return [str(path) for path in sorted(Path("/dev").glob("video*"))]
    import av

    try:
        devices = av.enumerate_input_devices("avfoundation" if sys.platform == "darwin" else "dshow")
    except (ValueError, OSError):
        return []
    return [one.description or one.name for one in devices if "video" in (one.media_types or ["video"])]


def _way_out(name: str) -> str:
    if name == SCREEN:
        return "on Linux, $DISPLAY must name an X server; else share the screen as a camera"
    if not name.startswith(CAMERA):
        return "start the sender first, or correct the address; it must send a video"
    names = camera_names()
    return f"cameras of this machine: {listed(names)}" if names else "this machine has no camera: connect one"
