"""Tests of the domain, one file per source file."""
