"""Commands that divide their work, on Ray and on submitit's stand-in for Slurm: the results of this machine, once.

Each of the six commands is killed, with a worker of it, on one engine, and two of them on both; where a command is not
killed on an engine, it is called there twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import av
import numpy as np
import pytest

from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.work.manifest import Manifest
from tests.annotated import INFO, predicted
from tests.mstcn_folder import exit_code
from tests.test_compare_alignments import SMALL
from tests.test_cross_validate import TINY, is_alive, wait_for
from tests.test_tune import two_people
from tests.test_work_lists import REPOSITORY, kill, kill_driver, needs, needs_proc, pids, start_driver, two_nodes
from tests.tiny_models import make_model, video
from tests.video_files import film
from tests.video_models import saved, torchscript
from tests.work_list_driver import HELD, LARGE

pytestmark = pytest.mark.slow
NAMES = ["a", "b"]
COMMANDS = {
    "extract": ["../filmed", "--backbone", "../means.pt", "--size", "16", "--threads", "1", "--fps", "10"],
    "predict": ["../model.safetensors", "../measured", "--device", "cpu", "--no-pictures"],
    "annotate": ["../predicted.h5", "../filmed"],
    "cross-validate": ["--dataset", "../people.h5", "--seeds", "2", *TINY],
    "compare-alignments": ["--dataset", "../people.h5", "--loss", "tcc", "--seeds", "2", *SMALL],
    "tune": ["../folds.h5", "--folds", "1", "--trials", "1", "--search", "lr=1e-4..1e-2", *TINY],
}
PACKAGES = {"compare-alignments": "sklearn", "tune": "optuna"}
PACKAGES |= {"slurm": "submitit", "ray": "ray"}
KILLED = {
    "slurm": ("extract", "predict", "cross-validate", "tune"),
    "ray": ("extract", "predict", "annotate", "compare-alignments"),
}
RESULTS = (".npy", ".json", ".csv", ".md", ".mp4", ".h5")
WRITTEN_BY_THE_COMMAND = ("manifest.json", "predictions.json", "table.csv", "table.json", "table.md", "trial.json")
"""They are written anew, of what jobs have left."""


def pairs(killed: bool) -> pytest.MarkDecorator:
    """Each engine with the commands that are killed on it, or that are not."""
    chosen = [(on, verb) for on in KILLED for verb in COMMANDS if (verb in KILLED[on]) == killed]
    marked = [pytest.param(*pair, marks=[needs(PACKAGES.get(one, "torch")) for one in pair]) for pair in chosen]
    return pytest.mark.parametrize(("on_engine", "verb"), marked, indirect=["on_engine"])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the commands read, beside the folders in which they are called; jobs find the module that holds them."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "held_job.py").write_text(HELD)
    (folder / "measured").mkdir()
    for number, name in enumerate(NAMES):
        film(folder / "filmed" / f"{name}.mp4", num_pictures=8, seed=number)
        np.save(folder / "measured" / f"{name}.npy", video(30 + number))
    torchscript(folder / "means.pt")
    saved(make_model(), folder / "model.safetensors")
    write_predictions(folder / "predicted.h5", [(name, predicted([0, 1, 1, 2, 2, 3, 3, 0])) for name in NAMES], INFO)
    flags = ("--split", 1, "--folds", 2, "--out", folder / "folds.h5")
    assert exit_code("hold-out", two_people(folder / "people.h5"), *flags) == 0
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(folder), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        yield folder


@pytest.fixture(scope="module")
def cluster(inputs: Path) -> Iterator[str]:
    with two_nodes() as (address, _):
        yield address


@pytest.fixture
def on_engine(request: pytest.FixtureRequest) -> list[str]:
    """The flags of an engine, its name first."""
    if request.param == "slurm":
        return ["--on=slurm", "--engine-options", "cluster=local"]
    return ["--on=ray", "--engine-options", f"address={request.getfixturevalue('cluster')}", "num_cpus=1"]


def call(folder: Path, verb: str, *flags: str) -> Path:
    """The output of a command that is called in a folder, and ends well."""
    folder.mkdir(exist_ok=True)
    with chdir(folder):
        assert exit_code(verb, *COMMANDS[verb], "--out", verb, *flags) == 0
    return folder / verb


class Pictures:
    """Those of a video; equal but for what compression changes: where cores are busy, x264 may choose differently."""

    def __init__(self, path: Path):
        with av.open(path) as container:
            self.values = np.stack([picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)])

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Pictures)
        if self.values.shape != other.values.shape:
            return False
        return float(np.abs(self.values.astype(float) - other.values).mean()) < 0.5


def content(path: Path) -> bytes | Pictures:
    return Pictures(path) if path.suffix == ".mp4" else path.read_bytes()


def results(out: Path) -> dict[str, bytes | Pictures]:
    """What a command makes, without logs; predictions are those of one file, or of the shards that it has."""
    paths = [path for path in out.rglob("*") if path.suffix in RESULTS and not {"jobs", "parts"} & {*path.parts}]
    one_or_many = (out / "predictions.h5", out / "predictions.json")
    kept = [path for path in paths if path not in one_or_many and path.name != "log.csv"]
    made = {str(path.relative_to(out)): content(path) for path in kept}
    if out.name == "predict" and (found := [path for path in one_or_many if path.exists()]):
        predictions = open_predictions(found[0])
        made |= {name: predictions.read(name).probs.tobytes() for name in predictions.video_names}
    return made


def made_by_jobs(out: Path) -> dict[str, bytes | Pictures]:
    """Those of the results that are written once."""
    return {name: made for name, made in results(out).items() if Path(name).name not in WRITTEN_BY_THE_COMMAND}


def made_here(inputs: Path, verb: str) -> dict[str, bytes | Pictures]:
    """The results of a command that is given no engine."""
    folder = inputs / "here"
    return results(folder / verb if (folder / verb).exists() else call(folder, verb))


def states(out: Path) -> dict[str, str]:
    """How each job ended that has, by its name, as it stands in names of files."""
    jobs = Manifest(out / "jobs" / "manifest.json").jobs
    return {name.replace("/", "-"): job["state"] for name, job in jobs.items()}


def times(out: Path) -> dict[Path, int]:
    """When each file was written that jobs leave, their logs included."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in WRITTEN_BY_THE_COMMAND]
    return {path: path.stat().st_mtime_ns for path in files}


@pairs(killed=False)
def test_a_command_makes_on_each_engine_what_it_makes_without_and_makes_it_once(inputs, on_engine, verb):
    expected, folder = made_here(inputs, verb), inputs / on_engine[0]
    out = call(folder, verb, *on_engine, "--workers", "1")
    assert results(out) == expected != {}
    jobs = Manifest(out / "jobs" / "manifest.json").jobs
    assert [(job["state"], job["attempts"]) for job in jobs.values()] == [("done", 1)] * len(jobs)
    written = times(out)
    call(folder, verb, *on_engine, "--workers", "1")
    assert (times(out), results(out)) == (written, expected)
    assert Manifest(out / "jobs" / "manifest.json").jobs == jobs != {}


@needs_proc
@pairs(killed=True)
def test_a_command_whose_worker_is_killed_goes_on_and_after_its_own_death_the_same_one_does_the_rest(
    inputs, on_engine, verb
):
    expected, folder = made_here(inputs, verb), inputs / f"killed{on_engine[0]}{verb}"
    folder.mkdir()
    out, command = folder / verb, ["held", verb, *COMMANDS[verb], "--out", verb, *on_engine, "--workers", "2"]
    driver = start_driver(folder, *command)
    wait_for(lambda: len([*folder.glob("*.starts")]) == 2, 100)
    first, second = sorted(path.stem for path in folder.glob("*.starts"))
    process, worker = pids(folder, first)[0]
    kill(worker)
    wait_for(lambda: len(pids(folder, first)) == 2, 100)
    assert not is_alive(process), "never two processes of one job"
    assert not [path for path in out.rglob("*") if path.suffix in LARGE], "nothing is half-written"
    assert made_by_jobs(out).items() <= expected.items()
    held = times(out)
    (folder / f"{first}.go").touch()
    wait_for(lambda: states(out).get(first) == "done", 100)
    whole = dict(times(out).items() - held.items())  # since then, only the first job went on
    kill_driver(driver)
    if on_engine[0] == "--on=ray":  # Slurm jobs go on
        wait_for(lambda: not is_alive(pids(folder, second)[-1][0]), 60)
    assert made_by_jobs(out).items() <= expected.items()
    again = start_driver(folder, *command)
    (folder / f"{second}.go").touch()
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert results(out) == expected
    assert whole
    assert whole.items() <= times(out).items(), "what is there is not made again"
    assert len(pids(folder, first)) == 2
    assert not [*folder.rglob("*.part")]
    assert {*states(out).values()} == {"done"}
