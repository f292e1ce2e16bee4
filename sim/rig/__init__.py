"""The engine in its rig: loads go in from files, what it does comes out in files."""
