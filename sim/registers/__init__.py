"""The register map as documents: Markdown, SystemRDL, C header."""
