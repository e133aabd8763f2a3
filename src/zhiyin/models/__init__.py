"""models room of zhiyin; see ARCHITECTURE.md."""
