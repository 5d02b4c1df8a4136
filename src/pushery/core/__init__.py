"""The domain: apps, tags, audiences, publications. Pure values and rules; no I/O, no clock, no randomness."""
