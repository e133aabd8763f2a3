"""Synthesis of zhiyin's own General MIDI soundfont: samples from formulas, nothing recorded."""
