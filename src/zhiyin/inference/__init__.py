"""inference room of zhiyin; see ARCHITECTURE.md."""
