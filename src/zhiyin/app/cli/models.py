"""zhiyin models: which model packages there are, what one knows, whether it is unaltered."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import Json, new_app, print_json, tell

app = new_app()

Name = Annotated[str, typer.Argument(help="A package's name or folder.")]


@app.callback()
def models() -> None:
    """List model packages, show a card, check the hashes.

    Example: zhiyin models list
    """


@app.command("list")
def list_(json: Json = False) -> None:
    """The packages that --model can name.

    Example: zhiyin models list
    """
    from zhiyin.provenance.package import list_packages, load_package

    rows = []
    for name in list_packages():
        package = load_package(name)
        m = package.manifest
        size = sum(p.stat().st_size for p in package.folder.iterdir() if p.is_file())
        rows.append(
            {
                "name": name,
                "family": m["family"],
                "parameters": m.get("parameters"),
                "nats": m.get("metrics", {}).get("nats"),
                "styles": len(m.get("styles", [])),
                "width": m["graphs"]["width"] if m["family"] == "embedding" else (m.get("sizes") or {}).get("latent"),  # of an embedding or latent
                "labels": {h["name"]: len(h["classes"]) for h in m["style"]["heads"]} if m["family"] == "style" else None,
                "bytes": size,
                "folder": str(package.folder),
            }
        )
    if json:
        print_json({"files": [], "seconds": 0, "models": rows})
        return
    for row in rows:
        tells = ", ".join(f"{n} of {name}" for name, n in (row["labels"] or {}).items())
        knows = f"tells apart {tells}" if tells else _knows(row, f"{row['width']} numbers a {'window' if row['family'] == 'vae' else 'piece'}")
        tell(
            f"{row['name']:>14}  {row['family']:<12} {row['parameters']:>10,} parameters  {knows}  {row['bytes'] / 1e6:.1f} MB"
        )


def _knows(row: dict[str, Any], numbers: str) -> str:
    """What a package is good for, in a few words."""
    if row["family"] == "gan":
        return "bars from noise"
    return numbers if row["width"] else f"{row['nats']:.3f} nats/note  {row['styles']} styles"


@app.command()
def show(name: Name = "default", json: Json = False) -> None:
    """The card of a package, its styles and what it was trained on.

    Example: zhiyin models show default
    """
    from zhiyin.provenance.licences import terms_or_unknown
    from zhiyin.provenance.package import CARD, load_package

    package = load_package(name)
    if json:
        print_json(
            {"files": [str(package.folder)], "seconds": 0, "hash": package.hash, "manifest": dict(package.manifest)}
        )
    else:
        card = (package.folder / CARD).read_text(encoding="utf-8")
        typer.echo(card)
        licence = (package.manifest.get("corpus") or {}).get("licence", "")
        if licence and "All licences together" not in card:
            asked = "; ".join(terms_or_unknown(licence).conditions()) or "nothing"
            tell(f"All licences together: {licence}. They ask: {asked}.")


@app.command()
def check(name: Name = "default", json: Json = False) -> None:
    """Checks every file of a package against its hash.

    Example: zhiyin models check default
    """
    from zhiyin.provenance.package import load_package

    package = load_package(name)
    if json:
        print_json({"files": sorted(package.manifest["files"]), "seconds": 0, "hash": package.hash})
    else:
        tell(f"{package.name}: {len(package.manifest['files'])} files, all as they were written; sha256 {package.hash}")
