"""A live pipeline: a source gives frames, a stream follows it, sinks receive each result.

    source --> buffer --> backbone, of pictures --> stream.step --> sinks

A thread of its own reads the source. If the source is faster than what follows, the buffer fills. Then `block` makes
the source wait, and no frame is lost (for files and pipes). `drop` removes the oldest waiting frames and counts them,
so that the newest frame is processed soonest (for cameras). The frame that is processed stands for the dropped ones
before it, too: the model's time goes on as the clock does. `streaming/following.py` is all of it but the sinks.

Sinks are called one after the other for every result; a slow sink slows the pipeline as a slow model does. When the
source stalls, the sinks are called too. The pipeline keeps waiting, or gives up after a set time.

Here too is what is drawn below the pictures of a video that is annotated: `row_sources` (runs, prediction files and the
truth as rows), `overlay` (the panel of these rows), `subtitles`.
"""
