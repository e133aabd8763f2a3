"""Writes the graphs of a shipped package anew from its own weights (the exporter got better, the network is the same).

    python tools/reexport_package.py default lstm rnn

int8 weights come back as they are: their scales are found again from the rounded numbers.
"""

from __future__ import annotations

import sys

from ship_package import staged_copy

from zhiyin.models.rows import RowModel
from zhiyin.provenance.package import SHIPPED, load_package, write_package
from zhiyin.training.card import write_card
from zhiyin.training.export import export_graphs
from zhiyin.training.restore import restore_network, weight_map


def reexport(name: str) -> None:
    """One package, in place."""
    package = load_package(SHIPPED / name)
    model: RowModel = restore_network(package).eval()
    staged = staged_copy(package, name)
    graphs = export_graphs(model, staged, int8=bool(package.manifest["graphs"]["int8"]))
    kept = ("logit_error", "nats_torch", "nats_shipped", "nats_change", "checked_on")  # measured on music when it was trained
    told = {**graphs.as_dict(), **{k: package.manifest["graphs"][k] for k in kept}}
    manifest = {k: v for k, v in package.manifest.items() if k not in ("files", "format")}
    manifest |= {"graphs": told, "weights": weight_map(model, staged)}
    shipped = write_package(SHIPPED / name, staged, manifest, write_card(manifest))
    print(f"{name}: {told['nodes']}, logits within {graphs.logit_error:.1e} of torch, {shipped.hash[:12]}")


if __name__ == "__main__":
    for chosen in sys.argv[1:]:
        reexport(chosen)
