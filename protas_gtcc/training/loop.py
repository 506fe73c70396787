"""The training loop: epochs of steps, resumable after each epoch, on one process or several.

A subclass builds the network, makes the batches of an epoch, and computes the loss terms of a batch. Everything random
in an epoch follows from (seed, epoch). So a run that was killed and resumed ends exactly as one that was not.
"""

from __future__ import annotations

import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Generic, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import Tensor, nn

from protas_gtcc.config import TrainingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.decoding.compilation import report_compilation
from protas_gtcc.errors import InputError, plural
from protas_gtcc.inference import choose_device
from protas_gtcc.network.float32 import full_float32
from protas_gtcc.network.terms import Terms, require_finite, total_loss, weigh
from protas_gtcc.training.batching import LossBatch
from protas_gtcc.training.callbacks import Callback
from protas_gtcc.training.optimisation import EpochMeans, learning_rate, make_optimizer
from protas_gtcc.training.run_directory import Row, RunDirectory, epochs_since_best, is_over
from protas_gtcc.training.state import load_state, save_state

_LOG = logging.getLogger(__name__)

BatchT = TypeVar("BatchT", bound=LossBatch)
PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}

LoopT = TypeVar("LoopT", bound="TrainingLoop[Any]")


class TrainingLoop(ABC, Generic[BatchT]):
    """One run: network, optimiser, batches, and the log rows of the epochs that are done."""

    network: nn.Module
    num_steps: int
    """Steps in an epoch."""
    term_weights: Mapping[str, float]
    """Weights of the loss terms, by name."""

    def __init__(self, config: Any, dataset: Dataset, run: RunDirectory, callbacks: Sequence[Callback] = ()):
        self.config, self.dataset, self.run = config, dataset, run
        self.settings: TrainingConfig = config.training
        torch.set_num_threads(self.settings.threads)
        self.fabric = _make_fabric(self.settings)
        self.callbacks = callbacks if self.fabric.is_global_zero else ()
        self.rows: list[Row] = []
        self._has_stepped = False

    @classmethod
    def train(
        cls: type[LoopT], config: Any, dataset: Dataset, run: RunDirectory, callbacks: Sequence[Callback], resume: bool
    ) -> LoopT:
        """Train a run to its end, a resumed one from its last finished epoch; `on_end` is called after errors, too."""
        try:
            loop = cls(config, dataset, run, callbacks)
            with run.only_writer() if loop.fabric.is_global_zero else nullcontext():
                loop.start(resume)
                loop.fit()
                loop.finish()
            return loop
        finally:
            for callback in callbacks:
                callback.on_end()

    @abstractmethod
    def batches(self, epoch: int) -> Iterable[BatchT]:
        """This process's batches of an epoch, counted from 0."""

    @abstractmethod
    def loss_terms(self, batch: BatchT, epoch: int, where: str) -> tuple[Terms, dict[str, float]]:
        """The unweighted loss terms of a batch, and counts to be summed over the epoch."""

    @abstractmethod
    def identity(self) -> dict[str, object]:
        """What must be the same when the run is resumed."""

    @abstractmethod
    def save_model(self) -> None:
        """Write the checkpoint."""

    def finish(self) -> None:
        """What is done with the checkpoint after the last epoch; a resumed run that is over does it again."""

    def summary(self, means: EpochMeans, seconds: float) -> Row:
        """What the log has of an epoch beside its losses."""
        return {"seconds": seconds}

    def clip_norms(self) -> list[tuple[list[Tensor], float]]:
        """Groups of weights, and the norm that the gradient of each is clipped to; 0 does not clip."""
        return [(list(self.network.parameters()), self.settings.clip_norm)]

    def set_up(self, network: nn.Module) -> None:
        """Train this network."""
        self.network = network
        self.optimizer = make_optimizer(network, self.settings)
        self.model, self.fabric_optimizer = self.fabric.setup(network, self.optimizer)

    def reported(self, what: str, videos: Sequence[str]) -> Iterator[str]:
        """Yield videos one after the other, and report to the callbacks that `what` is prepared from them."""
        for number, video in enumerate(videos):
            for callback in self.callbacks:
                callback.on_prepare(what, number, len(videos))
            yield video

    def start(self, resume: bool) -> None:
        """Make the run directory, or go back to the last finished epoch."""
        if resume:
            self._restore()
            if self.fabric.is_global_zero and not self.run.is_trained():
                # There may be scores of the unfinished model: they must not pass for those of the finished one.
                self.run.metrics.unlink(missing_ok=True)
        elif self.fabric.is_global_zero:
            self.run.start(self.config)

    @full_float32()
    def fit(self) -> None:
        """Train from the current epoch to the last, or until patience runs out."""
        for callback in self.callbacks:
            callback.on_start(len(self.rows), self.settings.epochs, self.num_steps)
        while not is_over(self.rows, self.settings.epochs, self.settings.patience):
            # Every process goes by the first one's scores: they must all stop at the same epoch.
            row: Row = self.fabric.broadcast(self._train_epoch(len(self.rows)))
            self._keep(row)
            for callback in self.callbacks:
                callback.on_epoch(row)

    def _train_epoch(self, epoch: int) -> Row:
        # Every process draws its own dropout, and the same again after a resume.
        torch.manual_seed((self.settings.seed * 1_000_003 + epoch) * 1_009 + self.fabric.global_rank)
        self.model.train()
        started, means = time.perf_counter(), EpochMeans()
        for step, batch in enumerate(self.batches(epoch)):
            self._set_rate(epoch * self.num_steps + step)
            # The first step compiles code, or loads it: seconds in which nothing else would be shown.
            with nullcontext() if self._has_stepped else report_compilation("the training step", spinner=False):
                self._step(batch.to(self.fabric.device), epoch, means, f"epoch {epoch + 1}, step {step + 1}")
            self._has_stepped = True
            for callback in self.callbacks:
                callback.on_step(epoch, step, means.values())
        means.gather(self.fabric)
        row = {"epoch": epoch + 1, "lr": self.optimizer.param_groups[0]["lr"], **means.values()}
        return row | self.summary(means, time.perf_counter() - started)

    def _step(self, batch: BatchT, epoch: int, means: EpochMeans, where: str) -> None:
        terms, counts = self.loss_terms(batch, epoch, where)
        weighted = weigh(terms, self.term_weights)
        losses = total_loss(weighted)
        require_finite({**terms, "total": losses}, batch.names, where)
        # The mean over the whole batch: gradients are averaged over processes, whose shares of it may differ.
        share = batch.weights.sum()
        if self.fabric.world_size > 1:
            share = torch.as_tensor(self.fabric.all_reduce(share, reduce_op="mean"))
        self.fabric_optimizer.zero_grad()
        self.fabric.backward((losses * batch.weights).sum() / share)
        self._clip(where)
        self.fabric_optimizer.step()
        means.add({"loss": losses, **weighted}, batch.weights, counts)

    def _set_rate(self, step: int) -> None:
        rate = learning_rate(self.settings, step, self.settings.epochs * self.num_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _clip(self, where: str) -> None:
        groups = [(weights, largest) for weights, largest in self.clip_norms() if largest > 0]
        if not groups:
            return
        self.fabric.strategy.precision.unscale_gradients(self.optimizer)
        for weights, largest in groups:
            norm = torch.nn.utils.clip_grad_norm_(weights, largest)
            # In float16 the scaler skips a step that overflows, and goes on with a smaller scale.
            if not norm.isfinite() and self.settings.precision != "16":
                raise InputError(f"a gradient is not finite at {where}; lower --lr, or use --precision 32")

    def _keep(self, row: Row) -> None:
        """Keep an epoch: the checkpoint if it is the best, the log, and last the state that a resume starts from."""
        self.rows.append(row)
        if not self.fabric.is_global_zero:
            return
        # The log shows that a run is over, so it is written after the checkpoint; a model without one is imported.
        if len(self.rows) == 1:
            self.run.begin_log(row)
        if epochs_since_best(self.rows) == 0:
            self.save_model()
        self.run.write_log(self.rows)
        precision = self.fabric.strategy.precision.state_dict()
        processes = self.fabric.world_size
        facts = {"rows": self.rows, "identity": self.identity(), "precision": precision, "processes": processes}
        save_state(self.run.state, self.network, self.optimizer, facts)

    def _restore(self) -> None:
        """Go back to the last finished epoch; to the beginning if none was finished."""
        if not self.run.state.is_file():
            # A kill while the first epoch was being kept leaves its log and checkpoint; more epochs had a state.
            if self.run.log.exists() and len(self.run.read_log()) > 1:
                raise InputError(
                    f"{self.run.path} has a finished model but no {self.run.state.name}: nothing to resume; "
                    "start a new run"
                )
            return
        facts: Any = load_state(self.run.state, self.network, self.optimizer, self.identity())
        self.rows = facts["rows"]
        logged = self.run.read_log() if self.run.log.is_file() else self.rows
        if not logged or logged[0].keys() != self.rows[0].keys():
            what = f"{self.run.state} and {self.run.log} have different columns"
            raise InputError(f"{what}; they are of two runs, or damaged: copy them again, or start a new run")
        self.fabric.strategy.precision.load_state_dict(facts["precision"])
        self._report_processes(facts.get("processes"))

    def _report_processes(self, before: object) -> None:
        """Warn if other processes than before go on: their batches are the same, but each draws its own dropout."""
        now = self.fabric.world_size
        if isinstance(before, int) and before != now and self.fabric.is_global_zero:
            what = f"{self.run.path} was trained by {plural(before, 'process')} and goes on with {now}"
            _LOG.warning("%s: the batches stay the same, but not dropout, so the weights will differ a little", what)


def _make_fabric(settings: TrainingConfig) -> Fabric:
    """Lightning Fabric on the chosen device; under torchrun, one of its processes."""
    device = choose_device(settings.device)
    if settings.precision == "16" and device == "cpu":
        raise InputError("--precision 16 needs a GPU; use bf16 or 32 on the CPU")
    processes = int(os.environ.get("WORLD_SIZE", 1))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    if device == "cuda" and here > torch.cuda.device_count():
        gpus = plural(torch.cuda.device_count(), "GPU")
        what = f"torchrun started {here} processes on a machine with {gpus}"
        raise InputError(f"{what}; start one a GPU, or give --device cpu")
    if processes > 1 and (absent := [name for name in ("RANK", "LOCAL_RANK") if name not in os.environ]):
        what = f"WORLD_SIZE is {processes}, but there is no {absent[0]}: torchrun sets both"
        raise InputError(f"{what}; start the processes by it, or unset WORLD_SIZE")
    nodes = processes // here
    # It repeats --precision, and advises coarser products on some GPUs.
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=device,
        devices=processes // nodes,
        num_nodes=nodes,
        strategy="ddp" if processes > 1 else "auto",
        # Not what Fabric finds around it, such as a Slurm job, whose processes may be meant for something else.
        plugins=[TorchElasticEnvironment() if processes > 1 else LightningEnvironment()],
        precision=PRECISIONS[settings.precision],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric
