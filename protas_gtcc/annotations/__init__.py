"""What is known of a video's actions: segments, progress targets, the task graph, transcripts, resampling."""
