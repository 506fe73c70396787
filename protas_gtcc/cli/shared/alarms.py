"""The flags of alarms: their budget, and their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.parsing import Repeated
from protas_gtcc.config import require_range
from protas_gtcc.procedure.result import Reason

if TYPE_CHECKING:
    from protas_gtcc.inference import TrainedModel


@dataclass(frozen=True)
class AlarmFlags:
    """How many false alarms are allowed; of models that follow procedures."""

    false_alarms_per_hour: float | None = None
    """Budget of alarms: false ones an hour, on recordings like the held-out ones of the training. 0 raises no alarms.
    By default 1, or no alarms where the held-out recordings are too few to promise that."""
    alarms: Repeated[tuple[Reason, ...]] = ()
    """Raise alarms for this reason alone; by default for all, which share the budget. Repeat the flag for each."""

    def __post_init__(self) -> None:
        if self.false_alarms_per_hour is not None:
            require_range(self, false_alarms_per_hour=(0, 3600))

    def give(self, model: TrainedModel) -> None:
        """Give the model its budget. Raises `InputError` as `TrainedModel.set_alarms` does."""
        from protas_gtcc.procedure.of_model import USUAL_BUDGET

        if self.false_alarms_per_hour is None and not self.alarms:
            return
        budget = USUAL_BUDGET if self.false_alarms_per_hour is None else self.false_alarms_per_hour
        model.set_alarms(budget or None, self.alarms or None)
