"""What can go wrong while measuring, as one line for whoever runs the benchmarks."""


class BenchError(Exception):
    """A measurement that cannot be had. The message is one line that says why."""
