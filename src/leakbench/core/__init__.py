"""The parts that all others may import, and that import no other: errors, seeds, results as plain data, the store."""
