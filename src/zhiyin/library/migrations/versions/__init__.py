"""The steps, oldest first; each is named by its number."""
