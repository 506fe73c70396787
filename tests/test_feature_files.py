"""Features are the same in files of every form; nothing in a file is run, and none claims more than it has."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.features import FeatureFolder
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.storage.feature_files import load_features, open_array, read_header, rows_are_frames
from tests.conftest import slow_but_first
from tests.mstcn_folder import exit_code, write_mstcn
from tests.tiny_models import make_model

VALUES = np.arange(40, dtype=np.float32).reshape(8, 5) / 8


def _h5(path: Path, **arrays: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


def _mat73(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file["features"] = VALUES.T
        file["#refs#/a"] = np.zeros((2, 2))
    content = bytearray(path.read_bytes())
    content[:32] = b"MATLAB 7.3 MAT-file, Platform: x"
    path.write_bytes(content)


def _csv(path: Path, head: str = "", column: bool = False) -> None:
    rows = [",".join([*([str(number)] if column else []), *map(str, row)]) for number, row in enumerate(VALUES)]
    path.write_text("\n".join([*([head] if head else []), *rows]) + "\n")


FORMS: dict[str, Callable[[Path], object]] = {
    "a.npy": lambda path: np.save(path, VALUES),
    "a.npz": lambda path: np.savez_compressed(path, VALUES),
    "tensor.pt": lambda path: torch.save(torch.tensor(VALUES), path),
    "dict.pt": lambda path: torch.save({"x": torch.tensor(VALUES, requires_grad=True), "fps": 5}, path),
    "named.pt": lambda path: torch.save({"x": torch.ones(3), "features": torch.tensor(VALUES)}, path),
    "half.pt": lambda path: torch.save(torch.tensor(VALUES, dtype=torch.bfloat16), path),
    "plain.csv": _csv,
    "head.csv": lambda path: _csv(path, "a,b,c,d,e"),
    "numbers.csv": lambda path: _csv(path, "0,1,2,3,4"),
    "pandas.csv": lambda path: _csv(path, ",0,1,2,3,4", column=True),
    "frame.csv": lambda path: _csv(path, "frame,a,b,c,d,e", column=True),
    "only.h5": lambda path: _h5(path, **{"group/x": VALUES, "times": np.zeros(8)}),
    "named.h5": lambda path: _h5(path, features=VALUES, other=np.zeros((3, 3))),
    "packed.mat": lambda path: scipy.io.savemat(path, {"x": VALUES, "fps": 5.0}, do_compression=True),
    "named.mat": lambda path: scipy.io.savemat(path, {"y": np.zeros((3, 3)), "features": VALUES}),
    "new.mat": _mat73,
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_features(tmp_path, name):
    path = tmp_path / name
    FORMS[name](path)
    np.testing.assert_allclose(open_array(path), VALUES, atol=0.02 if name == "half.pt" else 0)
    assert read_header(path) == (VALUES.shape, open_array(path).dtype)
    assert load_features(path, feature_dim=5).shape == (8, 5)
    assert FeatureFolder(tmp_path).load(path.stem, time_first=True).dtype == np.float32
    assert rows_are_frames(path) == (path.suffix == ".csv")


@pytest.mark.parametrize("name", slow_but_first(FORMS))
def test_a_stream_takes_every_form_and_gives_what_predict_gives(tmp_path, capsys, name):
    model = make_model()
    save_checkpoint(tmp_path / "model.safetensors", model.network, model.facts)
    FORMS[name](tmp_path / name)
    assert exit_code("stream", tmp_path / "model.safetensors", tmp_path / name) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = model.predict(model.file_features(tmp_path / name))
    assert [line["label"] for line in lines] == expected.labels.tolist()
    np.testing.assert_allclose([line["progress"] for line in lines], expected.reported, rtol=0, atol=2e-5)


def test_a_folder_of_other_files_is_prepared_and_what_is_not_read_is_named(tmp_path, capsys):
    folder = write_mstcn(tmp_path, ["background", "pour"], {v: [0] * 4 + [1] * 4 for v in ("u", "v", "w")})
    (folder / "features").mkdir()
    _csv(folder / "features/u.csv")
    torch.save(torch.tensor(VALUES), folder / "features/v.pt")
    np.save(folder / "features/w.npy", VALUES)
    for name in ("w.csv", "notes.txt", "u.jpg"):
        (folder / "features" / name).write_text("x")
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", 5) == 0
    assert "3 files in features not read: notes.txt, u.jpg, w.csv" in capsys.readouterr().out
    dataset = Dataset(tmp_path / "out.h5")
    assert all(np.array_equal(dataset.features(video, "features"), VALUES) for video in "uvw")
    _h5(folder / "features/u.h5", features=VALUES)
    assert exit_code("prepare", folder, "--out", tmp_path / "o2.h5", "--fps", 5) == 1
    assert "u.csv and u.h5 are features of one video; remove one" in capsys.readouterr().err


def test_rows_of_a_table_are_frames_even_if_both_axes_fit(tmp_path):
    folder = write_mstcn(tmp_path, ["background", "pour"], {"u": [0, 1, 1, 1, 1], "v": [0] * 5})
    (folder / "features").mkdir()
    for video in "uv":
        (folder / f"features/{video}.csv").write_text("\n".join(",".join(map(str, range(5))) for _ in range(5)) + "\n")
    # A first row of 0, 1, 2, ... is that of headings.
    (folder / "groundTruth/u.txt").write_text("background\npour\npour\npour\n")
    (folder / "groundTruth/v.txt").write_text("background\n" * 4)
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", 5) == 0
    assert Dataset(tmp_path / "out.h5").features("u", "features").shape == (4, 5)


@pytest.mark.parametrize(
    ("name", "make", "error"),
    [
        ("a.pt", lambda path: torch.save({"a": torch.ones(2, 2), "b": torch.ones(2, 2)}, path), "has the tensors a, b"),
        ("a.pt", lambda path: torch.save([1, 2], path), "holds list, not a tensor"),
        ("a.h5", lambda path: _h5(path, a=VALUES, b=VALUES), "several arrays of two axes"),
        ("a.h5", lambda path: _h5(path, a=np.ones(3)), "has no array of two axes"),
        ("a.mat", lambda path: scipy.io.savemat(path, {"a": VALUES, "b": VALUES}), "has several arrays"),
        ("a.mat", lambda path: scipy.io.savemat(path, {"a": "text"}), "has no array of two axes"),
        ("a.csv", lambda path: path.write_text("a,b\n1,x\n"), "not a table of numbers"),
        ("a.csv", lambda path: path.write_text("a,b\n"), "has no rows of numbers"),
        ("a.csv", lambda path: path.write_text("1,2\n1,2,3\n"), "row 2 of numbers has 3 cells, the first one 2: "),
        ("a.csv", lambda path: path.write_text("a,b\n1,2\n3"), "row 2 of numbers has 1 cell, the first one 2: it"),
        ("a.csv", lambda path: path.write_bytes(b"1,2\n1,\r2\n"), "row 3 of numbers has 1 cell"),
        ("a.json", lambda path: path.write_text('{"a": 1,\n"b": 2}'), "is not a list of frames"),
    ],
)
def test_what_is_not_clear_is_refused_in_one_line(tmp_path, name, make, error):
    make(tmp_path / name)
    with pytest.raises(InputError, match=error) as raised:
        open_array(tmp_path / name)
    assert "\n" not in str(raised.value)


class _Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("code of a file was run",)


def test_no_code_in_a_file_is_run(tmp_path, capsys):
    torch.save({"features": torch.ones(2, 2), "x": _Runs()}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(_Runs(), protocol=2))
    for name in ("a.pt", "b.pt"):
        with pytest.raises(InputError):
            open_array(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_a_torch_file_with_another_value_than_its_checksum_is_refused(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(torch.tensor(VALUES), path)
    content = bytearray(path.read_bytes())
    content[content.index(VALUES.tobytes()) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a complete one"):
        open_array(path)


def test_a_torch_file_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(torch.tensor(VALUES), tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    np.testing.assert_array_equal(open_array(tmp_path / "a.pt"), VALUES)


def _mat_bomb(path: Path) -> None:
    plain = io.BytesIO()
    scipy.io.savemat(plain, {"features": np.zeros((300, 30_000))})
    header, element = plain.getvalue()[:128], plain.getvalue()[128:]
    packed = zlib.compress(element, 9)
    path.write_bytes(header + struct.pack("<II", 15, len(packed)) + packed)


def _pt_bomb(path: Path) -> None:
    torch.save(torch.zeros(1000, 1000), path.with_suffix(".plain"))
    with zipfile.ZipFile(path.with_suffix(".plain")) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for member in source.namelist():
            out.writestr(member, source.read(member))


def _h5_bomb(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("features", (100_000, 100_000), "f8", chunks=(1000, 1000), compression="gzip")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.mat", _mat_bomb),
        ("a.pt", _pt_bomb),
        ("view.pt", lambda path: torch.save(torch.zeros(1, 1).expand(100_000, 100_000), path)),
        ("a.h5", _h5_bomb),
        ("a.csv", lambda path: path.write_text("," * 100_000 + "\n" + "1\n" * 100_000)),
    ],
)
def test_a_file_that_claims_more_than_it_has_is_refused(tmp_path, name, make):
    make(tmp_path / name)
    for read in (open_array, read_header) if name != "a.csv" else (open_array,):
        with pytest.raises(InputError, match=name):
            read(tmp_path / name)


@pytest.mark.parametrize("name", [name for name in FORMS if name.endswith((".pt", ".h5", ".mat"))])
def test_a_damaged_file_is_one_line(tmp_path, name):
    FORMS[name](tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for end in (len(whole) // 3, len(whole) // 2, len(whole) * 9 // 10):
        (tmp_path / name).write_bytes(whole[:end])
        with pytest.raises(InputError, match=name) as error:
            open_array(tmp_path / name)
        assert "\n" not in str(error.value)
