"""Mutation: a slip in the RTL, and the bench that finds it."""
