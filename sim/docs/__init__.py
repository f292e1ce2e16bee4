"""Documents, and parts of documents, that are made from the code."""
