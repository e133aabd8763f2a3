"""app/cli room of zhiyin; see ARCHITECTURE.md."""
