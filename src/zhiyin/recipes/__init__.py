"""Recipes: one flat TOML per kind of run; read by zhiyin.training.recipe."""
