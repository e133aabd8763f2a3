"""corpus room of zhiyin; see ARCHITECTURE.md."""
