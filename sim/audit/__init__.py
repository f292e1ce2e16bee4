"""Audit of captures: whether an IV or a sequence number stands twice under one SA."""
