"""A dataset file -> one whose splits hold out training videos: to choose settings on, and never on test videos.

    data/gtea.h5    ->    data/gtea-held.h5     splits "1-2", …: to choose for split 1, on test videos of split 2

python data_prep/hold_out.py data/50salads.h5 --split 1 --folds 2 --feature-set features --out data/50salads-held.h5
python data_prep/hold_out.py data/gtea.h5 --across 1 2 3 --out data/gtea-held.h5
"""

import sys

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main(["hold-out", *sys.argv[1:]])
