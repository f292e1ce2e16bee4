"""Security associations: the table, its look-up, contexts, replay windows and lifetimes."""
