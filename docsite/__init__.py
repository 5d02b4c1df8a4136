"""The documentation as a site, and the reference pages that are written by the source: `python -m docsite` renews them.

Part of the repository, not of the package: the server never imports it. Invariant: what is generated is committed, and
a test says so when it is stale, so the pages are complete on the git host too.
"""
