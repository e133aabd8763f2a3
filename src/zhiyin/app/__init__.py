"""app room of zhiyin; see ARCHITECTURE.md."""
