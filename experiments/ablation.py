"""What each part of the decoding is worth: the same trained networks, with other filters. Nothing is trained.

python experiments/ablation.py runs/cv-gtea/default/split?-seed? --dataset data/gtea.h5 > table.md
"""

import sys

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main(["ablate", *sys.argv[1:]])
