"""`python -m protas_gtcc VERB …` is `protas-gtcc VERB …`."""

from protas_gtcc.cli.main import main

if __name__ == "__main__":
    main()
