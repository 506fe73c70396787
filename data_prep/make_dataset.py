"""A folder of labels and features -> one dataset file.

    gtea/                                          data/
        mapping.txt                                    gtea.h5
        groundTruth/<video>.txt              ->
        splits/{train,test}.split<k>.bundle
        features*/<video>.npy

    python data_prep/make_dataset.py path/to/gtea --out data/gtea.h5 --fps 15

A file that is there already is left alone unless --overwrite. FACT's, EgoPER's and EgoProceL's layouts are
read too.
"""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from protas_gtcc.cli import prepare_
from protas_gtcc.cli.main import run_command


@dataclass(frozen=True)
class Script(prepare_.Command):
    """Turn a folder of labels and features into one HDF5 dataset file, unless it is there."""

    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Make the file again even if it is there."""

    def run(self) -> None:
        """Prepare, or say that there is nothing to do."""
        if self.out.exists() and not self.overwrite:
            print(f"{self.out} is there; --overwrite makes it anew")
            return
        super().run()


if __name__ == "__main__":
    run_command(lambda: tyro.cli(Script, description=__doc__).run())
