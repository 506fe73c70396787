"""Every alignment loss with several seeds, then one table of scores beside raw features and untrained encoders.

python experiments/compare_alignments.py --dataset data/50salads.h5 --splits 1 --seeds 2 --epochs 60
python experiments/compare_alignments.py --dataset data/50salads.h5 --loss tcc "gtcc: --anchors 0"

runs/aligned-50salads-epochs-60/
    gtcc/split1-seed0/               a run directory each, below loss[-variant]
    gtcc/split1-seed0.log            the output of its process
    table.md, table.json, table.csv  the scores, with 95 % intervals
"""

import sys

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main(["compare-alignments", *sys.argv[1:]])
