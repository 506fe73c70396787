"""The installed wheel, in a folder without the repository: every verb has its help, and every verb works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.cli.main import VERBS
from tests.mstcn_folder import write_mstcn

REPOSITORY = Path(__file__).resolve().parents[1]
PIP: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
# With the checkout on the path, pip would find the package installed already.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel; all other packages are this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: building leaves files beside the sources.
    shutil.copytree(REPOSITORY / "protas_gtcc", folder / "source" / "protas_gtcc")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder / "source")
    offline = ["--no-deps", "--no-index"]
    wheel = [*PIP, "wheel", *offline, "--no-build-isolation", "-w", str(folder), str(folder / "source")]
    subprocess.run(wheel, env=ENVIRONMENT, check=True, capture_output=True)
    venv.create(folder / "venv", symlinks=os.name != "nt")
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    install = [*PIP, "--python", str(scripts / "python"), "install", *offline, str(next(folder.glob("*.whl")))]
    subprocess.run(install, env=ENVIRONMENT, check=True, capture_output=True)
    paths = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    (packages / "others.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    take_compiled_code(REPOSITORY / "protas_gtcc", packages / "protas_gtcc")
    return scripts


def take_compiled_code(source: Path, package: Path) -> None:
    """What numba has compiled of the checkout, if anything; to numba, files of the same time and size are the same."""
    for path in source.rglob("*.py"):
        stat = path.stat()
        os.utime(package / path.relative_to(source), ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for path in source.rglob("__pycache__/*.nb[ic]"):
        copy = package / path.relative_to(source)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)


def files_of(package: Path) -> set[Path]:
    files = (path.relative_to(package) for path in package.rglob("*") if path.is_file())
    return {path for path in files if "__pycache__" not in path.parts}


def run(scripts: Path, folder: Path, *words: str) -> str:
    """The output of a program of the environment, called in a folder."""
    command = [str(scripts / words[0]), *words[1:]]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_is_the_wheels_with_all_files_and_every_verb_has_its_help(scripts, tmp_path):
    # In one process: each would import the same again.
    code = """
import contextlib, io, protas_gtcc
from protas_gtcc.cli.main import VERBS, main
print(protas_gtcc.__file__)
for verb in VERBS:
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
        main([verb, "--help"])
    print(text.getvalue().splitlines()[0])
"""
    file, *usages = run(scripts, tmp_path, "python", "-c", code).splitlines()
    assert Path(file).is_relative_to(scripts.parent)
    assert files_of(Path(file).parent) == files_of(REPOSITORY / "protas_gtcc")
    assert [usage.split()[:3] for usage in usages] == [["usage:", "protas-gtcc", verb] for verb in VERBS]


CALL_EACH = """
import shlex, sys
from protas_gtcc.cli.main import main
for line in open(sys.argv[1]):
    try:
        main(shlex.split(line))
    except SystemExit as end:
        if end.code:
            sys.exit(f"{line.strip()}: exit code {end.code}")
"""
TINY = "--preset reference --stages 1 --layers 2 --maps 4 --epochs 1"
ALIGN = "--hidden 4 --layers 1 --output-dim 4 --epochs 1 --score-every 20"
COMMANDS = f"""
simulate data/egoprocel.h5 --tasks 1 --share-of-videos 0.1 --fewest-videos 5
hold-out data/egoprocel.h5 --split 1 --folds 2 --out folds.h5
run --dataset egoprocel --out run {TINY} --filter durations
train --dataset egoprocel --out trained {TINY}
align --dataset egoprocel --out aligned {ALIGN}
evaluate run --pictures 1
procedure egoprocel --out procedures
report run
cross-validate --dataset egoprocel --out cv --seeds 1 {TINY}
compare-alignments --dataset egoprocel --out compared --loss tcc {ALIGN}
ablate run --dataset data/egoprocel.h5
heads --dataset egoprocel --heads v2 --out heads --epochs 1
position-encoding --out position --videos 5 --epochs 1 --seeds 1
export run
benchmark run --histories 10 --streams 1 --samples 5
prepare folder --out prepared.h5 --fps 1 --background rest --test-share 0.5
join prepared.h5 --out joined.h5
labels folder --out labels --background rest
check prepared.h5
predict run video.npy
convert predictions/predictions.h5 segments.csv
stream run video.npy
simulate --videos 1 --out rendered
extract rendered/videos --out features --fps 1
"""


def test_every_verb_works_in_an_unrelated_folder(scripts, tmp_path):
    """Verbs run in one process: each would import the same again. Some start processes of their own."""
    write_mstcn(
        tmp_path / "folder",
        ["rest", "cut"],
        {video: [0, 1, 1, 1] for video in "abcd"},
        features=lambda num_frames: np.ones((50, num_frames)),
    )
    np.save(tmp_path / "video.npy", np.zeros((9, 64), dtype=np.float32))
    (tmp_path / "commands").write_text(COMMANDS.strip())
    run(scripts, tmp_path, "python", "-c", CALL_EACH, "commands")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["simulated"] is True
    assert (tmp_path / "cv" / "reference" / "split1-seed0" / "predictions.h5").is_file()
    # They need another software's checkpoint, a model of videos, several runs, and many; the server is below.
    left_out = {"import", "annotate", "serve", "ensemble", "tune"}
    assert {line.split()[0] for line in COMMANDS.strip().splitlines()} == set(VERBS) - left_out
    serve = [str(scripts / "protas-gtcc"), "serve", "run", "--port", "0"]
    with subprocess.Popen(serve, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline().startswith("http://127.0.0.1:")
        server.terminate()
