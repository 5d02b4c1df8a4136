"""The benchmarks: Pushery beside the bound, a bare prototype and nchan, in one run. See README.md."""
