"""What annotations state about the actions in a video, and what is made from them.

- `segments`: labels -> segments and transcripts
- `progress_targets`: labels -> the progress that a network learns
- `task_graph`: which action comes right before and after which
- `transcripts`: orders and durations of actions, counted on training videos
- `resampling`: frames at one rate from frames at another
"""
