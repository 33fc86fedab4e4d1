"""The command line: one file a command; each parses, calls what it needs, and prints."""
