"""models/layers room of zhiyin; see ARCHITECTURE.md."""
