"""Align videos of the same task without labels, write their embeddings as features, and score them on held-out videos.

python experiments/align.py --dataset egoprocel --loss gtcc
python experiments/align.py --dataset data/50salads.h5 --split 1 --loss lav --seed 1 --feature-name aligned-lav-seed1
python experiments/align.py --dataset egoprocel --loss gtcc --head v4 --progress-lambda 1e6
python experiments/align.py --resume runs/x
"""

import sys

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main(["align", *sys.argv[1:]])
