"""Scalar heads, alone on frozen features: every head with every loss, beside look-ups and per-class models.

python experiments/scalar_heads.py --dataset data/gtea.h5 --split 1 --seeds 3 --runs runs/cv-gtea/*/split1-seed?
python experiments/scalar_heads.py --dataset data/50salads.h5 --heads v2 v3 v4 gru-dense --feature-set features
python experiments/scalar_heads.py --dataset egoprocel --heads v4 --joint runs/*-split1-gtcc-v4-seed?
python experiments/scalar_heads.py --dataset data/aligned.h5 --feature-set aligned-gtcc --published epoch-50.pt
"""

import sys

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main(["heads", *sys.argv[1:]])
