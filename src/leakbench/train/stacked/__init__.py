"""Many models of one architecture, trained as one network."""
