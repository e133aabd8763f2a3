"""MusicXML, both ways: ``read_musicxml`` and ``write_musicxml`` under one name."""

from __future__ import annotations

from zhiyin.formats.musicxml_read import read_musicxml
from zhiyin.formats.musicxml_write import write_musicxml

__all__ = ["read_musicxml", "write_musicxml"]
