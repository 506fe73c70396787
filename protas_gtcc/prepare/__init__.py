"""From a foreign layout to one dataset file: `survey` reads all headers first, then `writing` writes video by video."""
