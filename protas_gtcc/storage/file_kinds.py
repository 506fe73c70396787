"""What a file is that should be one of features: by its first bytes, never by its name alone."""

from __future__ import annotations

import stat
from pathlib import Path

from protas_gtcc.errors import InputError

EXTRACT = "extract features first: 'protas-gtcc extract', with the backbone that the model was trained on"
SAVE = "save the features of each video as .npy, with numpy.save"
_KINDS = (
    (4, b"ftyp", "a video (MP4 or MOV)", EXTRACT),
    (0, b"\x1aE\xdf\xa3", "a video (MKV or WebM)", EXTRACT),
    (8, b"AVI ", "a video (AVI)", EXTRACT),
    (0, b"\x00\x00\x01\xba", "a video (MPEG)", EXTRACT),
    (0, b"\x89PNG", "an image", EXTRACT),
    (0, b"\xff\xd8\xff", "an image", EXTRACT),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", SAVE),
    (0, b"MATLAB ", "a MATLAB file", f"read it with scipy.io.loadmat, and {SAVE}"),
    *((0, bytes([0x80, version]), "a pickle, which could run code", SAVE) for version in (2, 3, 4, 5)),
    (0, b"\x1f\x8b", "compressed (gzip)", "unpack it"),
)
"""Where the first bytes have a mark, the mark, what the file is then, and the way out."""
_TEXT = "a text file, such as CSV", f"read it with numpy.loadtxt, and {SAVE}"


def require_regular(path: Path) -> None:
    """Raise `InputError` for a pipe or a device, from which reading may never end."""
    kind = path.stat().st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise InputError(f"{path} is a pipe or a device; give a regular file")


def other_kind(path: Path) -> tuple[str, str] | None:
    """What the file is, and what to do; None for .npy, .npz and what is not known."""
    with open(path, "rb") as file:
        start = file.read(512)
    for at, mark, what, way_out in _KINDS:
        if start[at : at + len(mark)] == mark:
            return what, way_out
    is_text = all(byte >= 32 or byte in b"\t\r\n" for byte in start) and any(byte in b"\r\n,;" for byte in start)
    return _TEXT if is_text else None
