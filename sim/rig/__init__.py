"""The engine in its rig: loads go in from files, results come out in files."""
