"""evaluation room of zhiyin; see ARCHITECTURE.md."""
