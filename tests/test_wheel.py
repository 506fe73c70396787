"""The installed wheel, in a folder without the repository: every verb has its help, and a run is made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from protas_gtcc.cli.main import VERBS

REPOSITORY = Path(__file__).resolve().parents[1]
PIP: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]

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
    subprocess.run(wheel, check=True, capture_output=True)
    venv.create(folder / "venv", symlinks=os.name != "nt")
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    install = [*PIP, "--python", str(scripts / "python"), "install", *offline, str(next(folder.glob("*.whl")))]
    subprocess.run(install, check=True, capture_output=True)
    paths = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    (packages / "others.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    return scripts


def files_of(package: Path) -> set[Path]:
    files = (path.relative_to(package) for path in package.rglob("*") if path.is_file())
    return {path for path in files if "__pycache__" not in path.parts}


def run(scripts: Path, folder: Path, *words: str) -> str:
    """The output of a program of the environment, called in a folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(scripts / words[0]), *words[1:]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
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


def test_the_launcher_makes_a_run_of_one_epoch(scripts, tmp_path):
    tiny = ["--preset", "reference", "--stages", "1", "--layers", "2", "--maps", "4", "--epochs", "1", "--seeds", "1"]
    videos = ["--tasks", "1", "--share-of-videos", "0.1", "--fewest-videos", "4"]
    run(scripts, tmp_path, "protas-gtcc", "simulate", "data/egoprocel.h5", *videos)
    table = run(scripts, tmp_path, "protas-gtcc", "cross-validate", "--dataset", "egoprocel", "--out", "cv", *tiny)
    assert "SIMULATED" in table
    made = tmp_path / "cv" / "reference" / "split1-seed0"
    assert json.loads((made / "metrics.json").read_text())["simulated"] is True
    assert (made / "predictions.h5").is_file()
