"""Many clients of one server, each at the rate of a camera: are all answers right, and how long do clients wait?

    python benchmarks/serving_load.py RUN [--clients 50] [--seconds 60]

The server is a separate process. Every client sends its own random frames, one a message, at the rate of a camera, and
checks every answer against `predict` on all its frames. The result is the time from sending a frame to receiving its
answer.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from websockets.asyncio.client import connect

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import Positional, parse
from protas_gtcc.inference import TrainedModel, load


@dataclass(frozen=True)
class Arguments:
    """Send frames from many clients at once."""

    model: Positional[Path]
    """A run directory or a checkpoint."""
    clients: int = 50
    """Clients at once."""
    seconds: float = 60.0
    """How long each client sends."""
    fps: float = 15.0
    """Frames a second of each client."""


def main(arguments: Arguments) -> None:
    """Serve, send, compare and report."""
    torch.set_num_threads(1)
    model = load(arguments.model)
    command = [sys.executable, "-m", "protas_gtcc", "serve", str(arguments.model), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip().removeprefix("http://").rstrip("/")
            waits = asyncio.run(push_all(address, model, arguments))
        finally:
            server.terminate()
    p50, p99, longest = np.percentile(np.concatenate(waits), [50, 99, 100]) * 1e3
    frames = sum(map(len, waits))
    print(f"{arguments.clients} clients, {arguments.fps:g} frames a second each, {arguments.seconds:g} s:")
    print(f"{frames:,} frames, each answered as predict does; wait p50 {p50:.1f} ms, p99 {p99:.1f}, max {longest:.1f}")


async def push_all(address: str, model: TrainedModel, arguments: Arguments) -> list[np.ndarray]:
    """The seconds that each client waited for each answer."""
    return await asyncio.gather(*(push(address, model, arguments, seed) for seed in range(arguments.clients)))


async def push(address: str, model: TrainedModel, arguments: Arguments, seed: int) -> np.ndarray:
    """One client: send, wait, and compare with the offline result at the end."""
    count = int(arguments.seconds * arguments.fps)
    frames = np.random.default_rng(seed).standard_normal((count, model.facts.feature_dim), dtype=np.float32)
    waits, labels = [], []
    async with connect(f"ws://{address}/stream?name=client{seed}") as socket:
        started = time.perf_counter() + seed / arguments.clients / arguments.fps
        for number, frame in enumerate(frames):
            await asyncio.sleep(max(0.0, started + number / arguments.fps - time.perf_counter()))
            sent = time.perf_counter()
            await socket.send(frame.tobytes())
            [answer] = json.loads(await socket.recv())
            waits.append(time.perf_counter() - sent)
            assert answer["frame"] == number, f"client {seed}: frame {number} was lost"
            labels.append(answer["label"])
    assert labels == (await asyncio.to_thread(model.predict, frames)).labels.tolist(), f"client {seed}: wrong answers"
    return np.array(waits)


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "serving_load.py", __doc__)))
