"""Shards beside what does not belong to them: of other models, damaged, of interrupted commands, and of others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.cli.shared.predicted_folder import PredictedFolder
from protas_gtcc.cli.shared.predicted_shards import JobShards, source_of
from protas_gtcc.cli.shared.predicting import Predictor
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.metrics.prediction_parts import write_index
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.storage import atomic
from protas_gtcc.video.naming import VideoFile
from tests.annotated import INFO, predicted
from tests.measured_videos import interrupted, measured_videos, predict_files, shards
from tests.mstcn_folder import exit_code
from tests.tiny_models import make_model, video


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return measured_videos(tmp_path, monkeypatch)


def test_a_shard_of_another_model_does_not_count(measured):
    assert predict_files(measured) == 0
    own = {name: open_predictions("out").read(name).probs for name in "abcde"}
    other = make_model(seed=5)
    save_checkpoint(Path("other.safetensors"), other.network, other.facts)
    words = ("--device", "cpu", "--no-pictures", "--out", "other")
    assert exit_code("predict", "other.safetensors", *measured, *words) == 0
    copies = sorted(Path("other/parts").rglob("*.h5"))
    for path, copy in zip(sorted(shards()), copies, strict=True):
        shutil.copy(copy, path)
    assert predict_files(measured) == 0
    for name in "abcde":
        np.testing.assert_array_equal(open_predictions("out").read(name).probs, own[name])


def test_features_of_the_same_size_and_time_in_another_folder_are_other_features(measured):
    for number, folder in enumerate(("colour", "flow")):
        Path(folder).mkdir()
        for name in "abc":
            np.save(f"{folder}/{name}.npy", video(20, seed=number))
            os.utime(f"{folder}/{name}.npy", (10**9, 10**9))
    assert predict_files(["colour"]) == predict_files(["flow"], "--out", "flow only") == 0
    assert predict_files(["flow"]) == 0
    found, expected = (open_predictions(out).read("a").probs for out in ("out", "flow only"))
    np.testing.assert_array_equal(found, expected)


def test_a_chunk_of_a_folder_that_changed_is_seen(tmp_path):
    chunk = tmp_path / "a.zarr/c/0/0"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(b"1")
    one = VideoFile(tmp_path / "a.zarr", "a")
    before = source_of(one, "0f")
    folder = (tmp_path / "a.zarr").stat()
    os.utime(chunk, (10**9, 10**9))
    assert (tmp_path / "a.zarr").stat() == folder
    assert source_of(one, "0f") != before


def test_tables_and_pictures_that_are_wanted_later_are_made(measured):
    assert predict_files(measured, "--no-tables") == 0
    assert predict_files(measured) == 0
    assert len([*Path("out").glob("*.csv")]) == 10
    Path("out/b.csv").unlink()
    assert predict_files(measured) == 0
    assert Path("out/b.csv").exists()
    assert open_predictions("out").video_names == [*"abcde"]
    assert sum(map(len, shards().values())) == 6, "b alone was predicted again"
    now = shards()
    assert predict_files(measured) == 0
    assert shards() == now


def test_tables_of_another_model_that_was_interrupted_are_made_again(measured, monkeypatch):
    assert predict_files(measured) == 0
    table = Path("out/a.csv").read_text()
    other = make_model(seed=5)
    save_checkpoint(Path("other.safetensors"), other.network, other.facts)
    with monkeypatch.context() as patched:
        patched.setattr(Predictor, "predictions", interrupted(Predictor.predictions, after=1))
        words = ("--device", "cpu", "--no-pictures", "--out", "out")
        assert exit_code("predict", "other.safetensors", *measured, *words) == 130
    assert Path("out/a.csv").read_text() != table, "it is of the other model"
    assert predict_files(measured) == 0
    assert Path("out/a.csv").read_text() == table


def test_no_picture_of_earlier_predictions_stays(measured):
    Path("out/plots").mkdir(parents=True)
    for more in ((), ("--overwrite",)):
        Path("out/plots/a.png").touch()
        assert predict_files(measured[: 1 if more else 5], *more) == 0
        assert not Path("out/plots/a.png").exists()


def test_what_others_put_into_the_folder_of_shards_stays(measured):
    Path("out/parts/mine").mkdir(parents=True)
    own = [Path("out/parts/data.h5"), Path("out/parts/mine/data.h5")]
    for path in own:
        path.write_bytes(b"precious")
    assert predict_files(measured) == predict_files(measured[:2], "--overwrite") == 0
    assert [path.read_bytes() for path in own] == [b"precious"] * 2
    assert not [path for path in Path("out/parts").rglob("*.h5") if path not in own]


def test_what_a_killed_job_left_half_written_is_removed(measured):
    assert predict_files(measured) == 0
    (job,) = Path("out/parts").iterdir()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    left = job.with_name("0" * 16) / f".x.h5.{atomic._machine()}.{child.pid}.{'0' * 16}.part"
    left.parent.mkdir()
    left.touch()
    assert predict_files(measured) == 0
    assert [*Path("out/parts").iterdir()] == [job]


def test_predictions_beside_an_index_are_not_lost(measured, capsys):
    assert predict_files(measured[:1], "--out", "few") == predict_files(measured[1:]) == 0
    shutil.copy("few/predictions.h5", "out/predictions.h5")
    assert predict_files(measured[1:]) == 1
    assert "out has predictions of other videos, a; give another --out, or --overwrite" in capsys.readouterr().err
    assert open_predictions("out/predictions.h5").video_names == ["a"]


@pytest.mark.parametrize("name", ["mine", "../../mine", "", "0F" * 8])
def test_a_job_has_a_folder_of_its_own(tmp_path, name):
    with pytest.raises(InputError, match="is no folder of a job's shards: it must have 16 hexadecimal digits; leave"):
        JobShards(PredictedFolder(tmp_path, draws=False), name)


def test_a_damaged_prediction_in_a_shard_names_what_to_remove(measured):
    assert predict_files(measured) == 0
    files = open_predictions("out")
    probs = files.read("c").probs.tobytes()
    shard = next(path for path, videos in shards().items() if "c" in videos)
    content = shard.read_bytes()
    shard.write_bytes(content.replace(probs, b"\0" * len(probs)))
    with pytest.raises(InputError, match=f"{shard.name}.* video c.*; remove it, and predict again"):
        open_predictions("out").read("c")
    shard.unlink()
    assert predict_files(measured) == 0
    assert open_predictions("out").read("c").probs.tobytes() == probs


def test_an_index_has_only_files_as_shards(tmp_path):
    write_predictions(tmp_path / "a.h5", [("a", predicted([0, 1], 0.0))], INFO)
    index = write_index(tmp_path, {"a": tmp_path / "a.h5"})
    for other in ("predictions.json", "."):
        text = index.read_text().replace('"a.h5"', f'"{other}"')
        (tmp_path / "predictions.json").write_text(text)
        with pytest.raises(InputError, match="; "):
            open_predictions(index)
        write_index(tmp_path, {"a": tmp_path / "a.h5"})


def test_names_that_are_too_long_for_tables_are_refused_before_anything_is_predicted(measured, capsys):
    os.rename("e.npy", f"{'e' * 241}.npy")
    files = [*measured[:4], f"{'e' * 241}.npy"]
    assert predict_files(files) == 1
    assert "at most 240 bytes; rename it, or give --no-tables" in capsys.readouterr().err
    assert not Path("out/parts").exists()
    assert predict_files(files, "--no-tables") == 0
    os.rename(files[-1], f"{'e' * 240}.npy")
    assert predict_files([*measured[:4], f"{'e' * 240}.npy"], "--overwrite") == 0


def test_a_folder_without_files_of_features_is_refused(measured, capsys):
    Path("features/anna").mkdir(parents=True)
    np.save("features/anna/a.npy", video(9))
    assert predict_files(["features"]) == 1
    assert (
        "features has no videos, and no files of features (those in its folders do not count); "
        in capsys.readouterr().err
    )
