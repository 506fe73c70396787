"""What a file is that a reader cannot take: by its first bytes, never by its name alone."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from protas_gtcc.errors import InputError

NPY, NPZ, HDF5 = "an array (.npy)", "an archive of arrays (.npz)", "an HDF5 file"
TORCH, SAFETENSORS, PICKLE = "a torch checkpoint", "a safetensors file", "a pickle, which could run code"
MATLAB, TEXT = "a MATLAB file", "a text file, such as CSV"
_MP4, _MKV, _AVI, _MPEG = "a video (MP4 or MOV)", "a video (MKV or WebM)", "a video (AVI)", "a video (MPEG)"
_IMAGE, _GZIP, _ZIP = "an image", "compressed (gzip)", "a ZIP archive"
SAVE = "save the features of each video as .npy, with numpy.save"
_EXTRACT = "extract features first: 'protas-gtcc extract', with the backbone that the model was trained on"
VIDEO_ENDINGS = (
    *(".3gp", ".asf", ".avi", ".flv", ".h264", ".hevc", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg"),
    *(".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
)
"""Of the files in a folder that are taken for videos. A file that is named itself may end in anything."""
PREDICTIONS_INDEX = "predictions.json"
"""Of the prediction files that a list of jobs made, one a video."""
VIDEOS = (_MP4, _MKV, _AVI, _MPEG)
_MARKS = (
    (4, rb"ftyp", _MP4),
    (0, rb"\x1aE\xdf\xa3", _MKV),
    (8, rb"AVI ", _AVI),
    (0, rb"\x00\x00\x01\xba", _MPEG),
    (0, rb"\x89PNG|\xff\xd8\xff", _IMAGE),
    (0, rb"\x93NUMPY", NPY),
    (0, rb"PK\x03\x04.{26}[^\x00-\x1f]+/data\.pkl|\x80\x02\x8a\nl\xfc\x9c", TORCH),
    (0, rb"PK\x03\x04.{26}[^\x00-\x1f]*\.npy|PK\x05\x06", NPZ),
    (0, rb"PK\x03\x04.{96}", _ZIP),  # a shorter one may be the beginning of one of the two above
    (0, rb"\x89HDF\r\n\x1a\n", HDF5),
    (8, rb'\{"', SAFETENSORS),
    (0, rb"MATLAB ", MATLAB),
    (0, rb"\x80[\x02-\x05]", PICKLE),
    (0, rb"\x1f\x8b", _GZIP),
)
"""Where the first bytes have a mark, the mark, and what the file is then; the first that fits counts."""
_WAYS_OUT = {
    **dict.fromkeys((*VIDEOS, _IMAGE), _EXTRACT),
    **dict.fromkeys((NPY, NPZ), "give features of a video to 'protas-gtcc predict'"),
    **dict.fromkeys((_ZIP, _GZIP), "unpack it, or save what it holds in another form"),
    HDF5: "give a dataset with --dataset, and predictions to 'protas-gtcc evaluate'",
    TORCH: "make a run of it with 'protas-gtcc import'",
    SAFETENSORS: "give a model in place of a run, to 'protas-gtcc predict' or 'evaluate'",
    MATLAB: f"read it with scipy.io.loadmat, and {SAVE}",
    PICKLE: SAVE,
    TEXT: f"read it with numpy.loadtxt, and {SAVE}",
}


def require_regular(path: Path) -> None:
    """Raise `InputError` for a pipe or a device, from which reading may never end."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path} is a pipe or a device; give a regular file")


def kind_of(path: Path) -> str | None:
    """What the file is, one of the kinds above; None if that is not known."""
    with open(path, "rb") as file:
        start = file.read(512)
    # Control characters are in all kinds but text, which may begin with any mark of letters.
    if not re.search(rb"[^\t\r\n -\xff]", start):
        return TEXT if re.search(rb"[\r\n,;]", start) else None
    return next((what for at, mark, what in _MARKS if re.compile(mark, re.DOTALL).match(start, at)), None)


def require_kind(path: Path, expected: str, kinds: Collection[str], ways_out: Mapping[str, str] | None = None) -> None:
    """Raise `InputError` for a file of a known kind that is none of `kinds`: what it is, and what to do with it.

    `ways_out` are those of the reader; for the other kinds there is one that holds everywhere. Also raises it as
    `require_regular` does.
    """
    require_regular(path)
    what = kind_of(path)
    if what is not None and what not in kinds:
        raise InputError(f"{path} is {what}, not {expected}; {({**_WAYS_OUT, **(ways_out or {})})[what]}")
