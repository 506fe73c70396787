"""Simulated procedures with known truth: as features of EgoProceL's or Cholec80's size, or as video files.

- `profiles`: the facts about EgoProceL and Cholec80 that are imitated
- `config`: the settings of a simulated dataset
- `procedures`: what is done when, and for how long: the labels
- `operations`: the same of operations, and which tools are seen
- `time_courses`: noise, pauses and pace over time
- `appearance`: what a camera would see of it: the features
- `dataset`: the dataset file made from these

Rendered videos of hands at work on a table:

- `rendering_config`, `recipes`: the settings; the tasks, and in which actions progress shows
- `people`, `video_plan`: who does what when, in one video
- `drawing`, `things`, `hands`: how it is drawn
- `manipulations`: where hands and tools are in each action
- `table`, `hand_paths`, `visitors`, `scene`: the state of everything at each frame
- `camera`, `rendering`: from states to pictures
- `video_files`, `rendered_folder`: video files, and the annotations beside them

Nothing in them was recorded. Results on them show how the software behaves, not how well it follows people.
"""
