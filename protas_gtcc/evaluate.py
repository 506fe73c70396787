"""`python -m protas_gtcc.evaluate RUN` is `protas-gtcc evaluate RUN`."""

import sys

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
