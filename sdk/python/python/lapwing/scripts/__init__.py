"""Scripts of the seeds."""
