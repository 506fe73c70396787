"""The panel of annotated pictures: what predictions report of the picture, as bars and a strip."""
