"""Files that come with zhiyin: fonts for pictures and the soundfont."""
