"""What annotations state about the actions in a video, and what is made from them."""
