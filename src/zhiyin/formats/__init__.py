"""formats room of zhiyin; see ARCHITECTURE.md."""
