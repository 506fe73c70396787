"""The tests. Importing this package, before any of the software, makes the software's calls checked."""

from tests.shape_checks import install

install("protas_gtcc")
