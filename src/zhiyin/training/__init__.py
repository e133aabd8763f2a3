"""training room of zhiyin; see ARCHITECTURE.md."""
