"""Following a person live: a source gives frames, the pipeline steps a stream, observers see each result.

    source --> buffer --> stream.step --> observers

The source is read in a thread of its own. When it is faster than the model, the buffer fills; what happens then is
chosen: `block` makes the source wait (nothing is lost; for files and pipes), `drop` throws the oldest waiting frames
away and counts them (the newest frame is answered soonest; for cameras). Observers are called one after the other for
every result, so a slow one slows the pipeline as a slow model would, with the same consequence. When a source stalls,
observers are told; the pipeline waits on, or gives up after a time that is chosen.
"""

from protas_gtcc.live.pipeline import follow
from protas_gtcc.live.sinks import Callback, Followed, JsonLines, Moment, Observer, Terminal
from protas_gtcc.live.sources import Source, open_source

__all__ = [
    "Callback",
    "Followed",
    "JsonLines",
    "Moment",
    "Observer",
    "Source",
    "Terminal",
    "follow",
    "open_source",
]
