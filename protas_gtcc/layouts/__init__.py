"""Foreign dataset layouts: one reader for each, all giving the same `Layout`.

- `options`: what a user states about a layout
- `base`: `Layout`, and what is found in class and video names
- `recognition`: which layout a path has, and opening it
- `text`: the text files of the MS-TCN family
- `mstcn`: the layout of MS-TCN, FACT and EgoPER
- `egoprocel`: EgoProceL's JSON
- `features`: folders of `<video>.npy`
- `drawn_split`: a split for a layout without lists of videos
"""
