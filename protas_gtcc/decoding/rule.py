"""The rule by which the network's probabilities and the filter's belief are weighted and mixed.

A network that knows several tasks divides the probability of an action among the steps of all of them. Whether an
action is going on does not depend on the task, so within a task, background is multiplied by the share that the task's
own actions have in the probability of all actions.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np

from protas_gtcc.config import DecodingConfig
from protas_gtcc.storage.compiled_code import REORDERED, compiled

TINY = 1e-30
"""Least probability of the network that counts as more than 0, and of a task that is not given."""
AHEAD = 0.3
"""With a lag, the network's own belief in a class is the mean over this share of a segment of median length."""
LAGGED = 0.75
"""With a lag, the filter has used what follows, and the network's share of the belief in classes is this much of it."""


class Rule(NamedTuple):
    """How belief is weighted and mixed: `DecodingConfig` at one frame rate, for the classes of one model."""

    evidence: float
    """Exponent of the network's probabilities at a frame."""
    doubt: float
    sharpness: float
    """Exponent of the network's probabilities in the mixture."""
    network_class_share: float
    network_progress_share: float
    progress_doubt: float
    label_margin: float
    tail: float
    """Share of belief left out at each end of the interval of progress."""
    remaining_tail: float
    """The same of the interval of the remaining time."""
    bins_per_phase: int
    ahead: int
    """Frames after one that its network's belief is averaged over, where they are known."""
    prior: np.ndarray
    """float64 `[C]`: what the network's probabilities are divided by, the bias against background included."""
    is_action: np.ndarray
    """bool `[C]`."""


def with_lag(rule: Rule) -> Rule:
    """The rule for frames that are reported with a lag."""
    return rule._replace(network_class_share=LAGGED * rule.network_class_share)


def make_rule(
    settings: DecodingConfig, prior: np.ndarray, typical_seconds: float, is_action: np.ndarray, fps: float
) -> Rule:
    """The rule of these settings; `prior` is the share of each class among training frames, `[C]`."""
    return Rule(
        evidence=min(settings.evidence / (typical_seconds * fps), 1.0),
        doubt=settings.doubt,
        sharpness=1 / settings.temperature,
        network_class_share=settings.network_class_share,
        network_progress_share=settings.network_progress_share,
        progress_doubt=settings.progress_doubt,
        label_margin=settings.label_margin,
        tail=(1 - settings.interval_level) / 2,
        remaining_tail=(1 - settings.remaining_level) / 2,
        bins_per_phase=settings.bins_per_phase,
        ahead=round(AHEAD * typical_seconds * fps),
        prior=prior**settings.prior_exponent * np.where(is_action, 1, np.exp(settings.background_bias)),
        is_action=is_action,
    )


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def weigh(rule, probs, evidence, network):
    """The network's probabilities less the prior: as evidence for the filter, and as a belief of its own."""
    total, softened = 0.0, 0.0
    for c in range(len(probs)):
        evidence[c] = max(probs[c], TINY) / rule.prior[c]
        network[c] = evidence[c] ** rule.sharpness
        total += evidence[c]
        softened += network[c]
    for c in range(len(probs)):
        evidence[c] /= total
        network[c] /= softened


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def weigh_states(hypotheses, rule, live, evidence, weights):
    """What the belief in each live state is multiplied by, `[S]`; 0 for the others."""
    actions = 0.0
    weights[:] = 0.0
    for c in range(len(evidence)):
        actions += evidence[c] if rule.is_action[c] else 0.0
    for g in range(live[0], live[1]):
        begin, end = hypotheses.task_begin[g], hypotheses.task_begin[g + 1]
        own = 0.0
        for s in range(begin, end):
            own += evidence[hypotheses.state_class[s]] if rule.is_action[hypotheses.state_class[s]] else 0.0
        share = own / actions if own > 0.0 else 1.0
        for s in range(begin, end):
            c = hypotheses.state_class[s]
            weight = evidence[c] if rule.is_action[c] else share * evidence[c]
            weights[s] = ((1 - rule.doubt) * weight + rule.doubt / len(evidence)) ** rule.evidence
