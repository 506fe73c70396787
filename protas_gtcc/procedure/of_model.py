"""What follows the network of a trained model: the filter, and the procedure where the model has learnt it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from protas_gtcc.decoding.base import Decoder
from protas_gtcc.decoding.decoder import DurationDecoder, network_result, reported, require_finite
from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import ModelFacts
from protas_gtcc.network.model import Outputs
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.result import Reason

if TYPE_CHECKING:
    from protas_gtcc.procedure.model import ProcedureModel

USUAL_BUDGET = 1.0
"""False alarms an hour, unless another budget is given."""


def procedure_of(facts: ModelFacts) -> ProcedureModel | None:
    """What a model has learnt of procedures; None if it does not follow them. Raises `InputError` as `from_arrays`."""
    if not facts.procedure:
        return None
    from protas_gtcc.procedure.model import from_arrays  # which imports compiled code

    assert facts.transcripts is not None  # the filter believes in the same states
    return from_arrays(facts.procedure, facts.transcripts, "the checkpoint")


def usual_budget(procedure: ProcedureModel | None) -> float | None:
    """`USUAL_BUDGET`, or None where alarms cannot keep to it."""
    can_be_kept = procedure and procedure.smallest_budget() <= USUAL_BUDGET
    return USUAL_BUDGET if can_be_kept else None


def make_decoder(
    facts: ModelFacts, budget: float | None = None, reasons: Collection[Reason] | None = None
) -> Decoder | None:
    """What follows a model's network, for a stream before its first frame; None without filter and procedures.

    `budget` and `reasons` are those of alarms. Raises `InputError` as `TrainedModel.set_alarms` does.
    """
    procedure = procedure_of(facts)
    if budget is not None and procedure is None:
        raise InputError("the model has not learnt procedures, so it raises no alarms; train it again")
    if facts.transcripts is None:
        return None
    assert facts.fps is not None  # the transcripts were counted at that rate
    filter_settings = facts.transcripts, facts.config.decoding, facts.background, facts.fps
    if procedure is None:
        return with_lag(DurationDecoder(*filter_settings))
    from protas_gtcc.procedure.decoder import ProcedureDecoder

    return with_lag(ProcedureDecoder(*filter_settings, procedure, budget, reasons))


def with_lag(decoder: DurationDecoder) -> Decoder:
    """The decoder with the lag of its settings, if they have one. Raises `InputError` as `LaggedDecoder` does."""
    settings, _, fps = decoder.settings
    if not settings.lag_seconds:
        return decoder
    from protas_gtcc.decoding.lagged import TOO_MANY, LaggedDecoder

    frames = min(settings.lag_seconds * fps, TOO_MANY)
    return LaggedDecoder(decoder, None if np.isinf(settings.lag_seconds) else round(frames))


def to_prediction(outputs: Outputs, background: list[int], decoder: Decoder | None = None) -> Prediction:
    """The prediction for the first video of a batch, the whole of it; `decoder` is before its first frame."""
    result = network_result(outputs)
    require_finite(*result)
    is_action = ~np.isin(np.arange(result.probs.shape[1]), background)
    found = reported(result, is_action, decoder, np.zeros(len(result.probs), dtype=np.int64))
    return found if decoder is None else Prediction.joined([found, *decoder.flush(0)])
