"""One alignment loss with its backward pass on a pair of videos: the GTCC authors' code and ours, in the same run.

    python benchmarks/alignment_speed.py --gtcc FOLDER
    python benchmarks/alignment_speed.py --frames 2000 --device cuda

Both get the same two videos, embeddings of a smooth random walk, and do the work of a training step. Theirs runs over
all ordered pairs of the two videos, ours over both directions if a loss has a direction. GTCC has 15 components and 20
anchors on both sides. Their TCC also pairs each video with itself. Their transport plan of VAVA differs from the
paper's (`alignment.vava`). Beside the times stands the peak memory of a loss's tensors, for the given number
of frames and for twice that number. Memory that grows as N M is four times as large for twice the frames.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from reference_code import load_package
from side_by_side import Measurement, Program, Time, describe_machine, measure, now, report, versions
from torch import Tensor

from protas_gtcc.alignment.gtcc import gtcc_loss, keep_weights, sample_anchors
from protas_gtcc.alignment.lav import lav_loss
from protas_gtcc.alignment.tcc import tcc_loss
from protas_gtcc.alignment.vava import vava_loss
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse

DROP_RATE, TEMPERATURE = 0.95, 0.1
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Arguments:
    """Measure the alignment losses against the GTCC authors' code."""

    gtcc: Path | None = None
    """Checkout of github gerardDonahue/GTCC_CVPR2024."""
    frames: int = 300
    """Frames of each of the two videos."""
    dim: int = 128
    """Size of the embeddings."""
    components: int = 15
    """Components of GTCC's mixtures."""
    anchors: int = 20
    """Frames from which a cycle of GTCC starts; theirs has 20."""
    repeats: int = 5
    """Rounds, after one to warm up."""
    threads: int = 1
    """Processor threads."""
    device: str = "cpu"
    """cpu or cuda; their code uses a GPU whenever there is one."""
    seed: int = 0
    """Seed of the videos and anchors."""
    json: Path | None = None
    """Write the figures here too."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    torch.set_num_threads(arguments.threads)
    ours = our_losses(arguments)
    theirs = {} if arguments.gtcc is None else their_losses(arguments.gtcc, arguments.components)
    programs = []
    for name, loss in ours.items():
        if name in theirs:
            programs.append(Program(f"{name}, theirs", step(theirs[name], arguments), 1))
        programs.append(Program(f"{name}, ours", step(loss, arguments), 1, f"{name}, theirs" if theirs else None))
    machine = describe_machine(arguments.threads, arguments.device if arguments.device != "cpu" else None)
    results = measure(programs, arguments.repeats)
    notes = [f"pairs of {arguments.frames} frames, {arguments.dim}-d"] + [
        f"{name}, ours: {one / 2**20:.1f} MiB at the peak, {two / 2**20:.1f} MiB with twice the frames"
        for name, (one, two) in memory(ours, arguments).items()
    ]
    notes += [] if theirs else ["no --gtcc FOLDER given: measured only ours"]
    shown = {name: value for name, value in vars(arguments).items() if isinstance(value, int | str)}
    report(Measurement("alignment_speed", "pairs", shown, results, notes, machine, versions()), arguments.json)


def our_losses(arguments: Arguments) -> dict[str, Loss]:
    """Each loss of a pair; in both directions if the loss has one."""
    context = torch.randn(arguments.dim, generator=torch.Generator().manual_seed(arguments.seed))
    context = context.to(arguments.device)

    def gtcc(u: Tensor, v: Tensor) -> Tensor:
        lengths = torch.tensor([len(u)], device=u.device)
        anchors = sample_anchors(lengths, arguments.anchors)[0]
        keep = keep_weights(u, context, DROP_RATE, 0)
        return gtcc_loss(u, v, anchors=anchors, keep=keep, temperature=TEMPERATURE, num_components=arguments.components)

    return {
        "TCC": lambda u, v: tcc_loss(u, v) + tcc_loss(v, u),
        "GTCC": lambda u, v: gtcc(u, v) + gtcc(v, u),
        "LAV": lav_loss,
        "VAVA": vava_loss,
    }


def their_losses(folder: Path, components: int) -> dict[str, Loss]:
    """The authors' functions of a list of sequences, from their checkout."""
    with stand_ins("torchvision", "torchvision.datasets", "easydict", "dotenv", "cv2", "imageio"):
        module: Any = load_package(folder, "utils.loss_functions")
    sink = module.sink
    if not torch.cuda.is_available():
        module.sink = lambda costs, **settings: sink(costs, **{**settings, "cuda": False})
    context = [torch.randn(129), torch.randn(129)]

    def gtcc(u: Tensor, v: Tensor) -> Tensor:
        settings = {"n_components": components, "gamma": DROP_RATE, "delta": 1, "softmax_temp": TEMPERATURE}
        loss: Tensor = module.GTCC_loss([u, v], dropouts=context, max_gmm_iters=8, **settings)
        return loss

    return {
        "TCC": lambda u, v: module.TCC_loss([u, v]),
        "GTCC": gtcc,
        "LAV": lambda u, v: module.LAV_loss([u, v]),
        "VAVA": lambda u, v: module.VAVA_loss([u, v], global_step=0),
    }


def step(loss: Loss, arguments: Arguments) -> Callable[[], Time]:
    """A run of a loss: forward and backward pass, on new videos each time."""
    generator = torch.Generator().manual_seed(arguments.seed)

    def run() -> Time:
        u, v = (video(arguments.frames, arguments.dim, generator, arguments.device) for _ in range(2))
        started = now(arguments.device)
        loss(u, v).sum().backward()  # type: ignore[no-untyped-call]
        return now(arguments.device).since(started)

    return run


def video(num_frames: int, dim: int, generator: torch.Generator, device: str = "cpu") -> Tensor:
    """An embedding that moves slowly: squared distances of frames are near 1 over some ten frames."""
    walk = torch.randn(num_frames, dim, generator=generator).cumsum(dim=0)
    return (walk * (0.05 / dim**0.5)).to(device).requires_grad_()


def memory(losses: dict[str, Loss], arguments: Arguments) -> dict[str, tuple[int, int]]:
    """Peak bytes of the tensors of each loss, for the given number of frames and for twice that number."""
    generator = torch.Generator().manual_seed(arguments.seed)

    def peak(loss: Loss, num_frames: int) -> int:
        u, v = (video(num_frames, arguments.dim, generator, arguments.device) for _ in range(2))
        return peak_bytes(lambda: loss(u, v).sum().backward())  # type: ignore[no-untyped-call]

    return {name: (peak(loss, arguments.frames), peak(loss, 2 * arguments.frames)) for name, loss in losses.items()}


def peak_bytes(work: Callable[[], object]) -> int:
    """The most bytes that tensors made by `work` take at once, by the profiler's record of allocations."""
    with torch.profiler.profile(profile_memory=True) as profiler, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        work()
    events: Any = profiler.profiler.kineto_results.events()
    changes = sorted((one.start_ns(), one.nbytes()) for one in events if one.name() == "[memory]")
    held = highest = 0
    for _, change in changes:
        held += change
        highest = max(highest, held)
    return highest


@contextmanager
def stand_ins(*names: str) -> Iterator[None]:
    """Stand in for packages that their modules import but their losses do not use."""
    absent = [name for name in names if not _is_there(name)]
    sys.modules.update({name: MagicMock() for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def _is_there(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "alignment_speed.py", __doc__)))
