"""Beats in order: queues, stores, gates and sums that know no protocol."""
