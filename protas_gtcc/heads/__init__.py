"""Progress without classes: scalar heads on the embeddings of one segment.

`config` says what heads and losses there are; `head` is the head, over `inputs`, `recurrent`, `attention` and
`convolution`; `sampling`, `losses` and `training` teach it on frozen features, `scaled_gradient` beside an alignment
loss; `published` reads other people's; `scoring` puts them
all beside the per-class model.
"""
