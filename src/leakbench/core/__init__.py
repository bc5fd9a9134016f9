"""What every part may import and what imports none of them: errors, seeds, results as plain data, the store."""
