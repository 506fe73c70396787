"""Progress without classes: scalar heads on the embeddings of one segment.

`config` describes heads and losses, `versions` has those with names; `head` is the head, with one of the `bodies`.
`sampling`, `losses` and `training` train it on frozen features, `scaled_gradient` beside an alignment loss.
`cumulative` is a loss on the embeddings alone. `published` reads published checkpoints.
"""
