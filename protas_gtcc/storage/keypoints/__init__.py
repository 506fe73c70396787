"""Tables of keypoints, read as features `[T, D]`: recognised by what is in them.

- `points`: keypoints -> features, missing points marked, speeds
- `dlc`: DeepLabCut's CSV and HDF5, and Lightning Pose's CSV
- `sleap`: SLEAP's analysis HDF5
- `mediapipe`: MediaPipe's landmarks in JSON
"""
