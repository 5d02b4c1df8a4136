"""Hostile bytes for every parser: targets that assert what must hold, and the inputs that taught them something.

`python -m fuzz run` looks for new inputs, guided by coverage where atheris is installed; `python -m fuzz replay` runs
the known ones. Nothing here opens a socket or reads a clock in a target: the same bytes always do the same.
"""
