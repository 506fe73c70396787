"""Exact online state: the result for the whole video, frame by frame, with constant work and memory for each frame.

**Latency**: the result for frame t is available one step after the features of frame t (`protas-gtcc benchmark` times a
step). These features are available `look_ahead_frames` frames after the frame. The network itself waits for no frame.

`streams.py` holds the streams that a user steps. `engines.py` computes their frames: in compiled code on the CPU, or
with the network itself on any device. `recording.py` records the arithmetic of one frame from the network,
`operations.py` operation by operation, as a `program.py`, which `stepper.py` runs. `following.py` lets a stream follow
a source, such as a file or a camera.
"""
