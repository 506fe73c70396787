"""Progress without classes: scalar heads on the embeddings of one segment.

`config` says what heads and losses there are; `head` is the head, over `inputs`, `recurrent`, `attention` and
`convolution`; `sampling`, `losses` and `training` teach it on frozen features, `scaled_gradient` beside an alignment
loss; `published` reads other people's; `scoring` puts them
all beside the per-class model.
"""

from __future__ import annotations

from protas_gtcc.heads.config import HeadConfig, HeadLossConfig, HeadVersion
from protas_gtcc.heads.head import ScalarHead

__all__ = ["HeadConfig", "HeadLossConfig", "HeadVersion", "ScalarHead"]
