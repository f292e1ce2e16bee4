"""Shards of a regression on this machine, or on the workers of a Dask cluster."""
