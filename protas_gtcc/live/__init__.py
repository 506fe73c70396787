"""A live pipeline: a source gives frames, the pipeline steps a stream, sinks receive each result.

    source --> buffer --> stream.step --> sinks

A thread of its own reads the source. If the source is faster than the model, the buffer fills. Then `block` makes the
source wait, and no frame is lost (for files and pipes). `drop` removes the oldest waiting frames and counts them, so
that the newest frame is processed soonest (for cameras). Sinks are called one after the other for every result; a slow
sink slows the pipeline as a slow model does. When the source stalls, the sinks are called too. The pipeline keeps
waiting, or gives up after a set time.
"""
