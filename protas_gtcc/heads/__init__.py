"""Progress without classes: scalar heads on the embeddings of one segment.

`config` describes heads and losses; `head` is the head, with one of the `bodies`.
`sampling`, `losses` and `training` train it on frozen features, `scaled_gradient` beside an alignment loss.
`published` reads published checkpoints.
"""
