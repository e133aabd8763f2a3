"""Recommenders on plain arrays, one file per method: fit, fold in a listener, rank. They know no scores, files or databases."""
