"""From a foreign layout to one dataset file: survey it, write it, or make labels alone."""
