"""Self-supervised alignment of videos of one procedure: losses, encoders, training and scores."""
