"""The report: one self-contained page, the same numbers as JSON and as a table file."""
