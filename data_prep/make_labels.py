"""Ground truth -> progress and segments, without features.

    gtea/                                labels/gtea/
        mapping.txt                          progress/<video>.npy    float32 [C, T]
        groundTruth/<video>.txt    ->        segments/<video>.csv    start, end, class_id, class

    python data_prep/make_labels.py path/to/gtea --out labels/gtea
    python data_prep/make_labels.py path/to/gtea --into data/gtea.h5

A video whose files are there already is left alone unless --overwrite. With --into, the labels, progress
and segments in a dataset file are made anew.
"""

from __future__ import annotations

import tyro

from protas_gtcc.cli.commands.labels import Command
from protas_gtcc.cli.main import run_command

if __name__ == "__main__":
    run_command(lambda: tyro.cli(Command, description=__doc__).run())
