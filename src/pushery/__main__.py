"""`python -m pushery` is `pushery`."""

from pushery.cli import main

main()
