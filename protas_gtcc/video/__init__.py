"""From video files to features, and to files with something drawn on the pictures.

- `timeline`: which picture is shown at which time
- `opening`: opening a file, its video track, and what is refused
- `pictures`: one decoded picture -> a square of pixels, upright
- `frames`: a video as pictures at even times (`VideoFrames`)
- `ahead`: doing the next work in a thread while this one is used
- `windows`: the last k pictures of each frame
- `backbones`: pictures -> features; one module a kind
- `features`: pictures of one video, in order -> features as files have them
- `cameras`: opening a camera or an address
- `sources`: videos, cameras and addresses as frames for a stream
- `naming`: files and folders of videos -> names
- `extraction`: videos -> a folder of features, to be continued at any time
- `planes`: pictures and a drawn panel in the colours of video
- `drawn`: the pictures of a video with a panel on each
- `encoders`: the encoder that videos are written with
- `rewriting`: a video -> the same one with a panel, its times and its sound
- `picture_files`, `gif_files`: one such picture as PNG, all as a small GIF

PyAV decodes, with the FFmpeg in its wheel (extra `[video]`).
"""
