"""The front door: prepare what is missing, train, evaluate, and leave a run directory.

python experiments/run.py --stages 4 --dataset egoprocel
python experiments/run.py --dataset path/to/file.h5 --split 1 --preset reference
python experiments/run.py --resume runs/x
"""

import sys

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
