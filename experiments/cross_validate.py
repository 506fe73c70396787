"""Every preset on every split with several seeds, then one table of figures pooled over all test videos.

python experiments/cross_validate.py --dataset data/gtea.h5 --splits 1,2,3 --seeds 3 --preset default reference
python experiments/cross_validate.py --dataset data/gtea.h5 --variant "one stage: --stages 1" "slow: --lr 1e-4"
python experiments/cross_validate.py --runs runs/cv-gtea/*/split*-seed?

runs/cv-gtea/
    default/split1-seed0/            a run directory each, below preset[-variant][-control][-feature set]
    default/split1-seed0.log         the output of its process
    table.md, table.json, table.csv  the pooled figures, with 95 % intervals
"""

import sys

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main(["cross-validate", *sys.argv[1:]])
