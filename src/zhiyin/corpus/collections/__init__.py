"""One file per collection; ``catalog`` lists them."""
