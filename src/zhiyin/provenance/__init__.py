"""provenance room of zhiyin; see ARCHITECTURE.md."""
