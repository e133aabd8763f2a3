"""encoding room of zhiyin; see ARCHITECTURE.md."""
