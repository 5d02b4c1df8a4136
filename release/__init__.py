"""How a version of Pushery comes to be: `python -m release 1.2.3`, or `make release VERSION=1.2.3`.

What is published is made here, and nothing is published from here. Invariant: whatever leaves this machine is left to
a person, who is shown the commands.
"""
