"""One command a file. `app` registers them."""
