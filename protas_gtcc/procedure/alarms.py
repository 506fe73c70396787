"""How sure it must be before an alarm is raised, so that false alarms keep to a budget.

On recordings of other people in which nothing is wrong, every alarm is false. For each reason and each step, the
highest value in such a recording is kept. The threshold is set so that of n such recordings that last H hours,

    (K + M) / (n + 1)  <=  budget * H / n

where K is the number of false alarms above it on all of them, and M the largest number on one of them, at least 1. This
is conformal risk control (Angelopoulos et al., 2024): for a new recording that is like these, the expected number of
false alarms is within the budget, as long as it has at most M. A budget is shared evenly by the reasons for which
alarms are wanted.

The held-out recordings were followed by tables that lack their people, and a new one is followed by tables of all. So
one condition is that this makes no difference. It does for steps that some people leave out while no recording has
them as missing. Without its own person, the tables show such a step as surer to come. The held-out value is then lower
than that of a new recording. In simulated recordings of which a tenth left out a step, false alarms of a missing step
were up to four times the budget. Without such recordings, all reasons kept to it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.procedure.result import REASONS, Reason

KEPT = 512
"""Values of false alarms that are kept, the highest of each reason."""
LEAST = 0.1
"""No alarm is raised at a lower value, however few of them would be false."""
NEVER = 2.0
"""A threshold that nothing reaches."""


@dataclass(frozen=True)
class AlarmBudget:
    """The budget that alarms keep to."""

    false_alarms_per_hour: float
    reasons: tuple[Reason, ...]
    """Those for which alarms are raised."""
    recordings: int
    """Held-out recordings without mistakes, by which the thresholds are chosen."""
    hours: float
    """How long these are."""

    @property
    def promise(self) -> str:
        """What the budget promises, in a sentence."""
        return (
            f"on average, at most {self.false_alarms_per_hour:g} an hour should be false, in recordings like the "
            f"{plural(self.recordings, 'held-out one')} without mistakes ({self.hours:.1f} hours), "
            "if none has more than any of these had"
        )


@dataclass(frozen=True, eq=False)
class FalseAlarms:
    """The highest values of what would be false alarms in held-out recordings without mistakes."""

    values: np.ndarray
    """float64 `[A, KEPT]`, descending for each of the `REASONS`; 0 after the last."""
    most: np.ndarray
    """float64 `[A, KEPT]`: of the first K values, K = 0, 1, …, the largest number that is of one recording, at least 1.
    """
    size: np.ndarray
    """float64 `[2]`: number of these recordings, and hours."""

    def smallest_budget(self, num_reasons: int = len(REASONS)) -> float:
        """The smallest budget, in false alarms an hour, that these recordings can vouch for; infinite without any."""
        number, hours = self.size
        return num_reasons * number / ((number + 1) * hours) if number else np.inf

    def budget(self, false_alarms_per_hour: float, reasons: Collection[Reason] = REASONS) -> AlarmBudget:
        """A budget that these recordings can vouch for."""
        wanted = tuple(reason for reason in REASONS if reason in reasons)
        return AlarmBudget(false_alarms_per_hour, wanted, int(self.size[0]), float(self.size[1]))

    def thresholds(self, budget: float, reasons: Collection[Reason] = REASONS) -> np.ndarray:
        """For each of the `REASONS`, what a value must be above, `[A]`; `NEVER` for those that are not wanted.

        Raises `InputError` if the recordings are too few for the budget, and for reasons that are none.
        """
        reasons = list(dict.fromkeys(reasons))
        if not reasons or not set(reasons) <= set(REASONS):
            raise InputError(f"alarms cannot be for {listed(reasons)}; give one or more of {listed(REASONS)}")
        smallest = self.smallest_budget(len(reasons))
        can_be_kept = np.isfinite(smallest)
        if not (can_be_kept and budget >= smallest):
            number = plural(int(self.size[0]), "held-out recording")
            what = f"{budget:g} false alarms an hour cannot be promised with {number} without mistakes"
            way_out = f"give at least {rounded_up(smallest)}" if can_be_kept else "no alarm can be raised"
            raise InputError(f"{what}, for {listed(reasons)}; {way_out}")
        number, hours = self.size
        limit = budget / len(reasons) * hours * (number + 1) / number + 1e-9
        fits = np.arange(KEPT) + self.most <= limit  # true up to some K, as both terms ascend
        values = self.values[np.arange(len(REASONS)), fits.sum(axis=1) - 1]
        return np.where(np.isin(REASONS, list(reasons)), np.maximum(values, LEAST), NEVER)


def rounded_up(budget: float) -> str:
    """A smallest budget with two decimals, which can be kept too."""
    return f"{np.ceil(100 * budget) / 100:g}"


def false_alarms(highest: Sequence[np.ndarray], hours: float) -> FalseAlarms:
    """From the highest values `[C, A]` of each class in each recording."""
    values, most = np.zeros((len(REASONS), KEPT)), np.ones((len(REASONS), KEPT))
    for reason in range(len(REASONS) if highest else 0):
        every = np.concatenate([one[:, reason] for one in highest])
        recording = np.repeat(np.arange(len(highest)), [len(one) for one in highest])
        order = np.argsort(-every, kind="stable")[:KEPT]
        values[reason, : len(order)] = every[order]
        counts = np.cumsum(recording[order][:, None] == np.arange(len(highest)), axis=0).max(axis=1)
        most[reason, 1 : len(order) + 1] = counts[: KEPT - 1]
        most[reason, len(order) + 1 :] = counts[-1]
    return FalseAlarms(values, most, np.array([len(highest), hours], dtype=float))
