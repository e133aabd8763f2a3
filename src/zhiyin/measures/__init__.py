"""measures room of zhiyin; see ARCHITECTURE.md."""
