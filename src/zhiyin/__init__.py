"""zhiyin (知音): learns from scores, composes new ones, and says where each note comes from."""

from __future__ import annotations

__version__ = "0.1.0"
