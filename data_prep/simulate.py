"""Simulated procedures -> one dataset file.

    nothing  ->  OUT.h5     videos with features, labels, progress, segments; split "1" by person

python data_prep/simulate.py data/mine.h5 --small
"""

import sys

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main(["simulate", *sys.argv[1:]])
