"""The duration filter as a torch module, for exported graphs: the same arithmetic as the compiled `duration_filter.py`.

Axes: B streams, T frames, C classes, S states (of K tasks) with L lengths each, N phases, P bins of progress, G points
in time.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan  # its only address; exported as ONNX's Scan

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding.belief import EMPTY
from protas_gtcc.decoding.hypotheses import Hypotheses, make_hypotheses
from protas_gtcc.decoding.rule import TINY, make_rule

FILTER_FIELDS = ("labels", "probs", "progress", "reported", "interval", "remaining_seconds", "remaining_interval")
"""Fields of a `Prediction` that the filter fills in; with two tasks or more, `task_probs` comes after them."""
Belief = Float[Tensor, "B S L N"]


class FilterGraph(nn.Module):
    """Updates the beliefs of B streams by T frames; float64 inside, as the compiled filter."""

    first: Tensor
    following: Tensor
    stays: Tensor
    leaves: Tensor
    enters: Tensor
    ended: Tensor
    times: Tensor
    prior: Tensor
    is_action: Tensor
    levels: Tensor
    remaining_levels: Tensor
    of_class: Tensor
    of_task: Tensor

    def __init__(self, tables: TranscriptTables, settings: DecodingConfig, background: list[int], fps: float):
        super().__init__()
        self.shape = (*tables.lengths.shape, settings.phases)
        is_action = ~np.isin(np.arange(len(tables.share)), background)
        self.rule = rule = make_rule(settings, tables.share, float(tables.typical[0]), is_action, fps)
        hypotheses = make_hypotheses(tables, settings, fps)
        arrays = {"prior": rule.prior, "is_action": is_action, "levels": _levels(rule.tail)}
        arrays["remaining_levels"] = _levels(rule.remaining_tail)
        arrays |= {name: getattr(hypotheses, name) for name in ("first", "following", "times")}
        arrays["of_class"] = np.eye(len(tables.share))[tables.state_class]
        arrays["of_task"] = np.eye(tables.num_tasks)[tables.state_task]
        arrays["ended"] = hypotheses.ended.reshape(self.shape[0], -1, len(hypotheses.times))
        for name, values in (arrays | _phase_changes(hypotheses, self.shape)).items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64)))

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a `Prediction` that `forward` returns, in order."""
        return FILTER_FIELDS if self.of_task.shape[1] == 1 else (*FILTER_FIELDS, "task_probs")

    @property
    def size(self) -> int:
        """Numbers in a stream's state: its belief, and its label."""
        return int(np.prod(self.shape)) + 1

    def forward(
        self, state: Float[Tensor, "B R"], probs: Float[Tensor, "B C T"], progress: Float[Tensor, "B C T"] | None
    ) -> tuple[tuple[Tensor, ...], Float[Tensor, "B R"]]:
        """The `fields` of a prediction with the axis B in front, and the state after T frames.

        `state` is 0 before the first frame; `probs` and `progress` are the network's. `progress` is None for a network
        without progress.
        """
        share = 0.0 if progress is None else self.rule.network_progress_share

        def step(
            before: tuple[Tensor, Tensor], frame: tuple[Tensor, Tensor]
        ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, ...]]:
            return self._step(*before, *frame, share)

        frames = [one.permute(2, 0, 1).double() for one in (probs, probs if progress is None else progress)]
        before = state[:, :-1].double().reshape(-1, *self.shape), state[:, -1].long()
        (belief, label), outputs = scan(step, before, tuple(frames))
        after = torch.cat([belief.flatten(1), label[:, None].to(belief.dtype)], dim=1).to(state.dtype)
        labels, classes, channels, reported, remaining, tasks = (one.movedim(0, -1) for one in outputs)
        fields = (labels, classes, channels, reported[:, 1], reported[:, ::2], remaining[:, 1], remaining[:, ::2])
        return (*fields, tasks)[: len(self.fields)], after

    def _step(
        self, belief: Tensor, kept: Tensor, probs: Tensor, progress: Tensor, share: float
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, ...]]:
        weights, network = self._weigh(probs)
        is_first = belief.sum(dim=(1, 2, 3)) == 0
        belief = self._advance(belief) * weights[:, :, None, None]
        belief = belief / belief.sum(dim=(1, 2, 3), keepdim=True)
        raised = TINY / (belief.sum(dim=(2, 3)) @ self.of_task)
        belief = (belief * (raised.clamp(min=1) @ self.of_task.t())[:, :, None, None]).contiguous()
        states = belief.sum(dim=2)
        phases = torch.einsum("bsn,sc->bcn", states, self.of_class)
        tasks = states.sum(dim=2) @ self.of_task
        network = self._within_tasks(network, tasks)
        classes = (1 - self.rule.network_class_share) * phases.sum(dim=2) + self.rule.network_class_share * network
        classes = classes.float()
        histogram = self._mix(phases, progress, share)
        channels, reported = self._report(classes.double(), histogram)
        lead = classes.amax(dim=1) - classes.gather(1, kept[:, None]).squeeze(1)
        label = torch.where(is_first | (lead > self.rule.label_margin), classes.argmax(dim=1), kept)
        remaining = self._remaining(belief, label).float()
        outputs = label.clone(), classes, channels.float(), reported.float(), remaining, tasks.float()
        return (belief, label), outputs

    def _weigh(self, probs: Float[Tensor, "B C"]) -> tuple[Float[Tensor, "B S"], Float[Tensor, "B C"]]:
        """The network's probabilities less the prior: as weights of all states, and as a belief of its own."""
        rule, freed = self.rule, probs.clamp(min=TINY) / self.prior
        network, freed = freed**rule.sharpness, freed / freed.sum(dim=1, keepdim=True)
        weights, acts = freed @ self.of_class.t(), self.of_class @ self.is_action
        own = (weights * acts) @ self.of_task
        share = torch.where(own > 0, own / (freed @ self.is_action)[:, None], 1.0) @ self.of_task.t()
        weights = weights * torch.where(acts > 0, 1.0, share)
        weights = (1 - rule.doubt) * weights + rule.doubt / probs.shape[1]
        return weights**rule.evidence, network / network.sum(dim=1, keepdim=True)

    def _within_tasks(self, network: Float[Tensor, "B C"], tasks: Float[Tensor, "B K"]) -> Float[Tensor, "B C"]:
        """The network's belief, of which that in actions is shared by how likely the tasks are that have them."""
        own = network * self.is_action * (tasks @ (self.of_task.t() @ self.of_class))
        of_tasks = own.sum(dim=1)
        scale = torch.where(of_tasks > 0, network @ self.is_action / of_tasks, 1.0)
        shared = network * (1 - self.is_action) + own * scale[:, None]
        return shared / shared.sum(dim=1, keepdim=True).clamp(min=EMPTY)

    def _advance(self, belief: Belief) -> Belief:
        """Move every hypothesis by a frame, and add the segments that start with it."""
        ended = (belief * self.leaves).sum(dim=(2, 3)).clamp(min=0)
        starts_now = (belief.sum(dim=(1, 2, 3)) == 0).to(belief.dtype)
        started = ended @ self.following + starts_now[:, None] * self.first
        return torch.einsum("bcli,clij->bclj", belief, self.stays) + started[:, :, None, None] * self.enters

    def _mix(
        self, phases: Float[Tensor, "B C N"], progress: Float[Tensor, "B C"], share: float
    ) -> Float[Tensor, "B C P"]:
        """Each class's histogram of progress: the filter's, the network's and a uniform one, which sum to 1."""
        rule, num_bins = self.rule, self.shape[2] * self.rule.bins_per_phase
        in_class = phases.sum(dim=2, keepdim=True)
        spread = phases.repeat_interleave(rule.bins_per_phase, dim=2) / rule.bins_per_phase
        spread = torch.where(in_class > EMPTY, spread / in_class.clamp(min=EMPTY), 1 / num_bins)
        seen = (progress * num_bins).long().clamp(max=num_bins - 1)
        point = (torch.arange(num_bins, device=seen.device) == seen[..., None]).to(spread.dtype)
        doubt = rule.progress_doubt
        return (1 - share - doubt) * spread + doubt / num_bins + share * point

    def _report(
        self, classes: Float[Tensor, "B C"], histogram: Float[Tensor, "B C P"]
    ) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B 3"]]:
        """Progress of each class; the interval's lower end, the median and its upper end over all classes."""
        middle = self.levels[1]
        progress = _quantile(torch.zeros_like(classes), histogram, middle)
        weights = classes * self.is_action
        nothing = (classes - weights).sum(dim=1)
        together = (weights[..., None] * histogram).sum(dim=1)
        return progress, _quantile(nothing[:, None], together[:, None].expand(-1, 3, -1), self.levels)

    def _remaining(self, belief: Belief, label: Int[Tensor, " B"]) -> Float[Tensor, "B 3"]:
        """Remaining seconds of a segment of this class: the interval's lower end, the median, its upper end."""
        mass, ended = belief.new_zeros(len(belief), 1), belief.new_zeros(len(belief), len(self.times))
        for has_class in self.of_task.t()[:, :, None] * self.of_class:  # [S, C] of each task
            chosen = has_class.t()[label]  # [B, S], of which one is 1, or none where the task lacks the class
            own = (belief.flatten(2) * chosen[..., None]).sum(dim=1)  # [B, L N]
            ended = ended + (own[..., None] * self.ended[chosen.argmax(dim=1)]).sum(dim=1)  # [B, G]
            mass = mass + own.sum(dim=1, keepdim=True)
        wanted = self.remaining_levels * mass
        later = (ended[:, None] < wanted[..., None]).sum(dim=2).clamp(min=1)
        last = len(self.times) - 1
        after = later.clamp(max=last)
        low, high = ended.gather(1, after - 1), ended.gather(1, after)
        share = ((wanted - low) / (high - low).clamp(min=EMPTY)).clamp(min=0)
        seconds = self.times[after - 1] + share * (self.times[after] - self.times[after - 1])
        return torch.where(later > last, self.times[last], seconds)


def _levels(tail: float) -> np.ndarray:
    """Of the interval's lower end, the median and its upper end."""
    return np.array([tail, 0.5, 1 - tail])


def _phase_changes(hypotheses: Hypotheses, shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Probabilities of a frame: from phase to phase `[C, L, N, N]`, to the end, and of each first phase `[C, L, N]`."""
    phases, (most, num_lengths) = shape[2], hypotheses.passes.shape
    passes = np.zeros((num_lengths, phases))
    passes[:, :most] = hypotheses.passes.T
    stays = np.zeros((num_lengths, phases, phases))
    for i in range(phases):
        stays[:, i, i:] = passes[:, : phases - i]
    enters = stays[:, 0].copy()
    enters[:, -1] += np.maximum(1 - enters.sum(axis=1), 0)
    enters *= hypotheses.weight[:, None]
    arrays = {"stays": stays, "leaves": 1 - stays.sum(axis=2), "enters": enters}
    return {name: values.reshape(*shape[:2], *values.shape[1:]) for name, values in arrays.items()}


def _quantile(at_zero: Float[Tensor, "*A"], histogram: Float[Tensor, "*A P"], level: Tensor) -> Float[Tensor, "*A"]:
    """Quantile of a value that is 0 with weight `at_zero`, else in [0, 1] and spread evenly within each bin."""
    reached, num_bins = histogram.cumsum(dim=-1), histogram.shape[-1]
    wanted = level * (at_zero + reached[..., -1]) - at_zero
    below = (reached < wanted[..., None]).sum(dim=-1)
    place = below.clamp(max=num_bins - 1)[..., None]
    mass, after = (one.gather(-1, place).squeeze(-1) for one in (histogram, reached))
    inside = 1 - (after - wanted) / mass.clamp(min=TINY)
    value = torch.where(below == num_bins, 1.0, (place.squeeze(-1) + inside) / num_bins)
    return torch.where(wanted <= 0, 0.0, value)
