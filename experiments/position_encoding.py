"""Does relative position mislead a scalar head? Simulated actions of 5 to 45 frames, and a picture of what heads say.

    python experiments/position_encoding.py --out runs/position-encoding

    runs/position-encoding/
        position_encoding.png    what each head says over true progress, a line for each action
        table.md                 errors, and how far what is said bunches in the middle

The V3 head tells frame k of the n seen its position k / n. At the last frame that is (n - 1) / n: 0.8 after five
frames, whether these are the whole of a short action (progress 1) or the beginning of one of 45 (progress .11). V2 is
the same head with the same loss and without position; the other rows tell position, loss and class apart.

There are two worlds: in one, which action it is shows in the embeddings; in the other nothing does, and all that a head
can do is count. How far an action is never shows. SIMULATED: the figures say how heads behave, not how well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from protas_gtcc.cli.main import run_command
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HEADS, LOSSES, PUBLISHED, HeadVersion
from protas_gtcc.heads.training import ActionSegment, HeadTraining, pad_segments, train_head
from protas_gtcc.network.layers import ProgressHead
from protas_gtcc.runs.heads import head_reports
from protas_gtcc.storage.atomic import replace_when_whole, write_text

LENGTHS = (5, 9, 15, 27, 45)
"""Typical frames of each action."""
SPREAD = 0.15
"""Standard deviation of the logarithm of an action's length."""
FEATURE_DIM = 16
CLASS_STRENGTH = 1.5
"""How far each action's embeddings are from 0, in standard deviations of a frame's noise, where the action shows."""
SEGMENTS_PER_VIDEO = 10
MIDDLE = (0.4, 0.6)

VERSIONS = {
    "V2: no position": PUBLISHED["v2"],
    "V3: position": PUBLISHED["v3"],
    "V4: no position, boundaries": PUBLISHED["v4"],
    "position, V4's loss": HeadVersion(PUBLISHED["v3"].head, PUBLISHED["v4"].loss),
    "position, squared error": HeadVersion(PUBLISHED["v3"].head, LOSSES["dense"]),
    "no position, squared error": HeadVersion(HEADS["gru"], LOSSES["dense"]),
}
PER_CLASS = "per class, told which"
POSITION = "the position itself"
WORLDS = {"which action it is shows": CLASS_STRENGTH, "nothing shows": 0.0}

Part = Literal["train", "test"]
Said = list[np.ndarray]
"""Progress at every frame of each test segment, `[T]`."""


@dataclass(frozen=True)
class PositionEncoding:
    """Train heads with and without position on simulated actions; write a table and a picture."""

    out: Path = Path("runs/position-encoding")
    """Folder for both."""
    videos: int = 40
    """Training videos, of ten actions each; a fifth as many are tested on."""
    epochs: int = 12
    """Passes over the training segments."""
    seed: int = 0
    """Seed of the simulation and of the heads."""

    def __post_init__(self) -> None:
        if self.videos < 5 or self.epochs < 1:
            raise InputError(f"--videos {self.videos} --epochs {self.epochs}: at least 5 videos and 1 epoch are needed")

    def run(self) -> None:
        """Simulate, train, print and write."""
        torch.set_num_threads(1)
        said: dict[str, dict[str, Said]] = {}
        tested: dict[str, list[ActionSegment]] = {}
        for world, strength in WORLDS.items():
            learnt = simulate("train", self.videos, strength, self.seed)
            tested[world] = simulate("test", self.videos // 5, strength, self.seed)
            said[world] = self._train(learnt, tested[world])
        table = markdown(tested, said)
        write_text(self.out / "table.md", table)
        with replace_when_whole(self.out / "position_encoding.png") as temporary:
            draw(tested, said).savefig(temporary, format="png")
        print(table, end="")

    def _train(self, learnt: list[ActionSegment], tested: list[ActionSegment]) -> dict[str, Said]:
        training = HeadTraining(epochs=self.epochs, validation_share=0, seed=self.seed)
        said = {name: head_reports(train_head(one, learnt, training), tested) for name, one in VERSIONS.items()}
        position = [np.arange(len(one.embeddings)) / np.arange(1, len(one.embeddings) + 1) for one in tested]
        return {POSITION: position, **said, PER_CLASS: train_per_class(learnt, training)(tested)}


def simulate(part: Part, num_videos: int, strength: float, seed: int) -> list[ActionSegment]:
    """Action segments of videos: each action's direction, times the strength, and white noise."""
    directions = np.random.default_rng(seed).normal(size=(len(LENGTHS), FEATURE_DIM))
    directions *= strength / np.linalg.norm(directions, axis=1, keepdims=True)
    random = np.random.default_rng([seed, get_args(Part).index(part)])
    segments = []
    for number in range(num_videos * SEGMENTS_PER_VIDEO):
        label = number % len(LENGTHS)
        length = max(1, round(LENGTHS[label] * np.exp(random.normal(0, SPREAD))))
        embeddings = directions[label] + random.normal(size=(length, FEATURE_DIM))
        segments.append(
            ActionSegment(f"{part}{number // SEGMENTS_PER_VIDEO}", number, label, embeddings.astype(np.float32))
        )
    return segments


def train_per_class(
    segments: Sequence[ActionSegment], training: HeadTraining
) -> Callable[[Sequence[ActionSegment]], Said]:
    """The network's own progress head, trained on the true class's channel with squared errors of every frame."""
    torch.manual_seed(training.seed)
    widen, head = torch.nn.Conv1d(FEATURE_DIM, 64, 1), ProgressHead(64, len(LENGTHS), causal=True)
    optimizer = torch.optim.Adam([*widen.parameters(), *head.parameters()], lr=training.lr)
    random = np.random.default_rng(training.seed)

    def channel(chosen: Sequence[ActionSegment]) -> tuple[torch.Tensor, torch.Tensor]:
        padded, lengths = pad_segments(chosen)
        progress, _ = head(widen(padded.transpose(1, 2)))
        return progress[torch.arange(len(chosen)), torch.tensor([one.label for one in chosen])], lengths

    def said(chosen: Sequence[ActionSegment]) -> Said:
        with torch.no_grad():
            progress, lengths = channel(chosen)
        return [row[:n].clamp(0, 1).numpy() for row, n in zip(progress, lengths.tolist(), strict=True)]

    for _ in range(training.epochs):
        for numbers in np.array_split(random.permutation(len(segments)), -(-len(segments) // training.batch_size)):
            progress, lengths = channel([segments[number] for number in numbers])
            elapsed = torch.arange(1, progress.shape[1] + 1)
            error = (progress - elapsed / lengths[:, None]) * (elapsed <= lengths[:, None])
            optimizer.zero_grad()
            (error.square().sum(dim=1) / lengths).mean().backward()
            optimizer.step()
    return said


def targets(segments: Sequence[ActionSegment]) -> Said:
    """True progress at every frame of each segment."""
    return [np.arange(1, len(one.embeddings) + 1) / len(one.embeddings) for one in segments]


def markdown(tested: dict[str, list[ActionSegment]], said: dict[str, dict[str, Said]]) -> str:
    """A row for each head in each world."""
    heads = ("frame error", "segment error", "said in the middle", "deviation", "first frame", "last frame")
    heads += (f"last of {LENGTHS[0]}", f"fifth of {LENGTHS[-1]}")
    lines = ["SIMULATED. True progress is in the middle, .4 to .6, for a fifth of frames; its deviation is .29.", ""]
    lines += [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for world, heads_said in said.items():
        lines.append(f"| **{world}** |{' |' * len(heads)}")
        rows = {**heads_said, "the truth": targets(tested[world])}
        lines += [f"| {name} | {' | '.join(_figures(tested[world], one))} |" for name, one in rows.items()]
    return "\n".join(lines) + "\n"


def _figures(segments: Sequence[ActionSegment], said: Said) -> list[str]:
    errors = [np.abs(a - b) for a, b in zip(said, targets(segments), strict=True)]
    every = np.concatenate(said)
    short = [one[-1] for one, segment in zip(said, segments, strict=True) if segment.label == 0]
    long = [one[4] for one, segment in zip(said, segments, strict=True) if segment.label == len(LENGTHS) - 1]
    figures = [np.concatenate(errors).mean(), np.mean([one.mean() for one in errors])]
    figures += [np.mean((every >= MIDDLE[0]) & (every <= MIDDLE[1])), every.std()]
    figures += [np.mean([one[0] for one in said]), np.mean([one[-1] for one in said]), np.mean(short), np.mean(long)]
    return [f"{value:.2f}" if number > 1 else f"{value:.3f}" for number, value in enumerate(figures)]


def draw(tested: dict[str, list[ActionSegment]], said: dict[str, dict[str, Said]]) -> Figure:
    """What each head says over true progress, a row a world, a column a head, a line an action."""
    names = list(next(iter(said.values())))
    figure = Figure(figsize=(2.15 * len(names) + 0.6, 5.9), dpi=110, layout="constrained")
    grid = figure.subplots(len(WORLDS), len(names), sharex=True, sharey=True)
    for axes_row, (world, heads_said) in zip(grid, said.items(), strict=True):
        for axes, name in zip(axes_row, names, strict=True):
            _draw_panel(axes, tested[world], heads_said[name])
        axes_row[0].set_ylabel(f"{world}\n\nprogress said (mean)", fontsize=9)
    for name, top, bottom in zip(names, grid[0], grid[-1], strict=True):
        top.set_title(name.replace(", ", ",\n").replace(": ", ":\n"), fontsize=9.5)
        bottom.set_xlabel("true progress", fontsize=9)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=10)
    figure.suptitle(
        "What scalar heads say of simulated actions, a line for each; grey: how often each value is said", fontsize=11
    )
    return figure


def _draw_panel(axes: Axes, segments: Sequence[ActionSegment], said: Said) -> None:
    axes.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":", label="truth")
    counts, edges = np.histogram(np.concatenate(said), bins=40, range=(0, 1))
    axes.fill_betweenx(edges[:-1], 0, counts / counts.sum() * 2.5, step="post", color="0.85", lw=0)
    # Dark to light by length, and readable without colour: the order of lines is that of lengths.
    colours = ("#440154", "#3b528b", "#21918c", "#5ec962", "#d8b000")
    for label, (length, colour) in enumerate(zip(LENGTHS, colours, strict=True)):
        chosen = [one for one, segment in zip(said, segments, strict=True) if segment.label == label]
        # At shares of the action that every length has frames near to.
        at = np.linspace(1 / length, 1, min(length, 20))
        mean = np.mean([one[np.ceil(at * len(one) - 1e-9).astype(int) - 1] for one in chosen], axis=0)
        axes.plot(at, mean, color=colour, lw=1.8, marker="o", ms=2.5, label=f"about {length} frames")
    error = np.concatenate([np.abs(a - b) for a, b in zip(said, targets(segments), strict=True)]).mean()
    axes.text(0.97, 0.03, f"error {error:.3f}", transform=axes.transAxes, ha="right", fontsize=9)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])


if __name__ == "__main__":
    run_command(lambda: tyro.cli(PositionEncoding).run())
