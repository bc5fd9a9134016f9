"""Tables of the report and of the terminal."""
