"""The cards of packages over windows of bars: a latent space (VAE), bars from noise (GAN)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zhiyin.training.card import learnt_from, measured, terms


def write_vae_card(manifest: Mapping[str, Any]) -> str:
    """card.md of a package with a latent space (markdown)."""
    m, sizes = manifest["metrics"], manifest["sizes"]
    held = "pieces of no training work" if m["split"] == "valid" else "TRAINING pieces: there were too few to hold out"
    lines = [
        f"# {manifest['name']}",
        "",
        f"A variational autoencoder of {manifest['parameters']:,} numbers over {manifest['grid']}, made with zhiyin {manifest['version']}. It turns "
        f"windows of {sizes['bars']} bars and {sizes['lines']} line{'s' if sizes['lines'] > 1 else ''} into {sizes['latent']} numbers and back: it compresses, blends and varies lines of one note at a time. What it writes is machine-composed.",
        "",
        *learnt_from(manifest),
        *terms(manifest.get("corpus") or {}),
        "## How well it restores",
        "",
        f"{m['nats_class']:.3f} nats per sixteenth on {m['n']:,} held-out sixteenths ({held}), the latent's mean decoded, teacher-forced; "
        f"after {m['steps']:,} steps, {m['seconds'] / 60:.0f} min. The latent can be moved along: {', '.join(manifest['attributes']) or 'nothing'}.",
        "",
        *measured(m),
        "## What it cannot do",
        "",
        "It knows bars of 8, 12 and 16 sixteenths and nothing shorter than a sixteenth, no triplets, no chords, no loudness and no tempo. It forgets "
        "ornaments, and it does not know where in a piece a window stands.",
        "",
    ]
    return "\n".join(lines)


def write_gan_card(manifest: Mapping[str, Any]) -> str:
    """card.md of a package that writes bars from noise (markdown)."""
    m, sizes = manifest["metrics"], manifest["sizes"]
    lines = [
        f"# {manifest['name']}",
        "",
        f"The generator of a GAN, {manifest['parameters']:,} numbers over {manifest['roll']}, made with zhiyin {manifest['version']}. It writes windows of "
        f"{sizes['bars']} bars and {sizes['lines']} parts from noise; what it writes is machine-composed.",
        "",
        *learnt_from(manifest),
        *terms(manifest.get("corpus") or {}),
        "## How it was trained",
        "",
        f"{m['steps']:,} generator steps on {m['n']:,} windows, {m['seconds'] / 60:.0f} min. Cells that sound: {m.get('sounding', 0):.4f} of its own windows, "
        f"{m.get('sounding_real', 0):.4f} of real ones.",
        "",
        *measured(m),
        "## What it cannot do",
        "",
        "It has no style, key or words to follow, knows nothing shorter than a sixteenth, and a window knows nothing of the one before it. It "
        "learnt from parts of one note at a time in bars of 8, 12 and 16 sixteenths.",
        "",
    ]
    return "\n".join(lines)
