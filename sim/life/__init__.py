"""``espnic life``: the life of an SA pair through the Linux driver."""
