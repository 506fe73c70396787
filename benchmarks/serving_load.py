"""Many clients of one server, each at the rate of a camera: are all answers right, and how long do clients wait?

    python benchmarks/serving_load.py RUN [--clients 50] [--seconds 60] [--hostile 20]

The server is a separate process. Every client sends its own random frames, one a message, at the rate of a camera, and
checks every answer against `predict` on all its frames. The result is the time from sending a frame to receiving its
answer. Beside them, hostile clients in another process send what no client should, ten times a second each, at random
moments. The server's memory is taken at a quarter of the time and at the end.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import random
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import Positional, parse
from protas_gtcc.inference import TrainedModel, load

HUGE_BYTES = 2_000_000
"""Of a message, more than 64 frames have."""


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
    hostile: int = 20
    """Clients beside them that send garbage, half a request, a wrong token, or a huge message."""


def main(arguments: Arguments) -> None:
    """Serve, send, compare and report."""
    torch.set_num_threads(1)
    model = load(arguments.model)
    token = secrets.token_urlsafe()
    command = [sys.executable, "-m", "protas_gtcc", "serve", str(arguments.model), "--port", "0"]
    environment = {**os.environ, "PROTAS_GTCC_TOKEN": token}
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as server:
        assert server.stdout is not None
        try:
            address = server.stdout.readline().strip().removeprefix("http://").partition("/")[0]
            with hostile_clients(address, token, arguments.hostile) as attacks:
                waits, memory = asyncio.run(push_all(address, token, model, arguments, server.pid))
        finally:
            server.terminate()
    p50, p99, longest = np.percentile(np.concatenate(waits), [50, 99, 100]) * 1e3
    frames = sum(map(len, waits))
    print(f"{arguments.clients} clients, {arguments.fps:g} frames a second each, {arguments.seconds:g} s:")
    print(f"{frames:,} frames, each answered as predict does; wait p50 {p50:.1f} ms, p99 {p99:.1f}, max {longest:.1f}")
    print(f"{arguments.hostile} hostile clients, {sum(attacks):,} attacks; the server's memory is {memory[0]:.1f} MB")
    print(f"at a quarter of the time, {memory[1]:.1f} MB at the end")


async def push_all(
    address: str, token: str, model: TrainedModel, arguments: Arguments, server: int
) -> tuple[list[np.ndarray], list[float]]:
    """The seconds that each client waited for each answer, and the server's memory in MB."""
    measuring = asyncio.create_task(memory_of(server, arguments.seconds / 4))
    good = (push(address, token, model, arguments, seed) for seed in range(arguments.clients))
    waits = await asyncio.gather(*good)
    return waits, [await measuring, await memory_of(server, 0.0)]


async def memory_of(process: int, seconds: float) -> float:
    """Its memory in MB after some seconds; NaN where there is no /proc."""
    await asyncio.sleep(seconds)
    status = Path(f"/proc/{process}/status")
    text = status.read_text() if status.exists() else ""
    return next((int(line.split()[1]) / 1e3 for line in text.splitlines() if line.startswith("VmRSS")), float("nan"))


@contextmanager
def hostile_clients(address: str, token: str, count: int) -> Iterator[Any]:
    """Attack from another process, so that only what the server owes to it is measured; gives the attacks of each."""
    context = multiprocessing.get_context("spawn")
    made = context.Array("q", count)
    process = context.Process(target=attack_all, args=(address, token, made))
    process.start()
    try:
        yield made
        assert process.is_alive(), "the hostile clients ended"
    finally:
        process.kill()
        process.join()


def attack_all(address: str, token: str, made: Any) -> None:
    """Run every hostile client, until the process is killed."""

    async def all_at_once() -> None:
        await asyncio.gather(*(attack(address, token, seed, made) for seed in range(len(made))))
        await asyncio.Event().wait()

    asyncio.run(all_at_once())


async def attack(address: str, token: str, seed: int, made: Any) -> None:
    """Send garbage, half-open requests (which stay open), wrong tokens and huge messages; count them."""
    with ExitStack() as half_open:
        for number in itertools.count(seed):
            await asyncio.sleep(random.uniform(0, 0.2))
            made[seed] += 1
            with suppress(OSError, WebSocketException):  # refused, as it should be
                if number % 4 == 0:
                    open_connection(address, secrets.token_bytes(2000)).close()
                elif number % 4 == 1:
                    half_open.enter_context(open_connection(address, b"GET / HTTP/1.1\r\nHost: local"))
                else:
                    given = "wrong" if number % 4 == 2 else token
                    async with connect(f"ws://{address}/stream?name=hostile{seed}&token={given}") as client:
                        await client.send(bytes(HUGE_BYTES))
                        await client.recv()


def open_connection(address: str, beginning: bytes) -> socket.socket:
    """A connection that has sent some bytes."""
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(beginning)
    return connection


async def push(address: str, token: str, model: TrainedModel, arguments: Arguments, seed: int) -> np.ndarray:
    """One client: send, wait, and compare with the offline result at the end."""
    count = int(arguments.seconds * arguments.fps)
    frames = np.random.default_rng(seed).standard_normal((count, model.facts.feature_dim), dtype=np.float32)
    waits, labels = [], []
    async with connect(f"ws://{address}/stream?name=client{seed}&token={token}") as client:
        started = time.perf_counter() + seed / arguments.clients / arguments.fps
        for number, frame in enumerate(frames):
            await asyncio.sleep(max(0.0, started + number / arguments.fps - time.perf_counter()))
            sent = time.perf_counter()
            await client.send(frame.tobytes())
            [answer] = json.loads(await client.recv())
            waits.append(time.perf_counter() - sent)
            assert answer["frame"] == number, f"client {seed}: frame {number} was lost"
            labels.append(answer["label"])
    assert labels == (await asyncio.to_thread(model.predict, frames)).labels.tolist(), f"client {seed}: wrong answers"
    return np.array(waits)


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "serving_load.py", __doc__)))
