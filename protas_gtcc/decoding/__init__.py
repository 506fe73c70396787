"""After the network: an online explicit-duration filter, which knows how long actions take and what follows what.

`transcripts.py` counts, `hypotheses.py` lays out what can be going on, `duration_filter.py` moves the belief on by a
frame, `decoder.py` makes of it what is told. Without a filter the network's likeliest class is told, and its progress.
"""

from protas_gtcc.annotations.transcripts import TranscriptTables, count_transcripts
from protas_gtcc.decoding.decoder import DurationDecoder

__all__ = ["DurationDecoder", "TranscriptTables", "count_transcripts"]
