"""What each change between published scalar heads does, on simulated actions of 5 to 45 frames: a table, a picture.

python experiments/position_encoding.py --out runs/position-encoding
"""

import sys

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main(["position-encoding", *sys.argv[1:]])
