"""zhiyin compose: a new piece from nothing, from words, or from controls."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import (
    Json,
    Language,
    Model,
    Out,
    Pick,
    Quiet,
    Seed,
    Sign,
    Soundfont,
    new_app,
    print_json,
    progress_bar,
    say,
)
from zhiyin.app.cli.library import Url
from zhiyin.app.cli.writing import (
    How,
    Taken,
    check_way,
    name_takes,
    tell_next,
    write_and_log,
    write_take,
)
from zhiyin.errors import ControlError
from zhiyin.inference.brief import tempo_said
from zhiyin.inference.compose import Composition, Piece
from zhiyin.inference.compose import compose as compose_pieces
from zhiyin.inference.controls import find_meter
from zhiyin.provenance.package import load_package

app = new_app()


@app.command()
def compose(
    words: Annotated[
        list[str] | None,
        typer.Argument(help='What you wish, in English or Chinese: "a lively jig in D major, 32 bars".'),
    ] = None,
    out: Out = Path("out"),
    model: Model = "default",
    seed: Seed = None,
    takes: Annotated[int, typer.Option("--takes", help="How many different pieces to keep.")] = 3,
    candidates: Annotated[
        int | None, typer.Option("--candidates", help="How many to write and choose from: 8, with --for 16.")
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", help="What this listener of the library may like best (zhiyin library).")
    ] = None,
    diverse: Annotated[float, typer.Option("--diverse", help="With --for: 0 = the best takes, 1 = all kinds.")] = 0.2,
    library: Url = None,
    pick: Pick = "best",
    bars: Annotated[int | None, typer.Option("--bars", help="Exactly so many bars (1..1000).")] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="About so long; sets the bars from the tempo.")
    ] = None,
    style: Annotated[
        str | None, typer.Option("--style", help="A style of the model: zhiyin models show default.")
    ] = None,
    composer: Annotated[str | None, typer.Option("--composer", help="A composer group of the model.")] = None,
    key: Annotated[str | None, typer.Option("--key", help='"D minor", "Bb major".')] = None,
    meter: Annotated[str | None, typer.Option("--meter", help='"3/4", "6/8".')] = None,
    tempo: Annotated[float | None, typer.Option("--tempo", help="Quarters per minute.")] = None,
    parts: Annotated[
        str | None, typer.Option("--parts", help='Instruments or voices, top to bottom: "violin,cello".')
    ] = None,
    density: Annotated[str | None, typer.Option("--density", help="Notes per quarter, or sparse / dense.")] = None,
    register: Annotated[str | None, typer.Option("--register", help="Mean pitch (MIDI number), or low / high.")] = None,
    form: Annotated[str | None, typer.Option("--form", help="Letters of the sections: AABA, ABA …")] = None,
    cadence: Annotated[str | None, typer.Option("--cadence", help="How it ends: authentic or half.")] = None,
    scale: Annotated[
        str | None, typer.Option("--scale", help='Only notes of it: "D dorian", "pentatonic", "harmonic minor", 宫 …')
    ] = None,
    ranges: Annotated[
        list[str] | None, typer.Option("--range", help="PART=LOW..HIGH, as in Flute=C4..A5 (may be repeated).")
    ] = None,
    rhythm: Annotated[
        Path | None, typer.Option("--rhythm", help="A score whose rhythm is kept: other pitches, same notes in time.")
    ] = None,
    chords: Annotated[
        str | None, typer.Option("--chords", help='A chord chart: "Dm | G7 C/E | C", again from its beginning.')
    ] = None,
    like: Annotated[
        Path | None, typer.Option("--like", help="A score whose features are taken, not its notes.")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="The title; else one is made up.")] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="Above 1 wilder, below 1 tamer (all fields).")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option("--top-p", help="Share of the probability that is kept (all fields).")
    ] = None,
    min_p: Annotated[
        float | None, typer.Option("--min-p", help="Least probability relative to the best (all fields).")
    ] = None,
    original: Annotated[
        str | None,
        typer.Option(
            "--original", help="p95 or p99: no passage closer to the training music than so many human pieces come."
        ),
    ] = None,
    check_style: Annotated[
        bool, typer.Option("--check-style", help="Keep only candidates that `zhiyin classify` takes for the style asked for.")
    ] = False,
    soundfont: Soundfont = None,
    language: Language = "en",
    sign: Sign = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a new piece as MIDI, MusicXML, sound and notation, with a page that shows it all.

    Example: zhiyin compose "a lively jig in D major, 32 bars" --seed 7
    """
    began = time.monotonic()
    quiet = quiet or json
    single = bool(out.suffix)
    check_way(out, language, sign, soundfont)
    if takes < 1:
        raise ControlError("takes out of range", expected="1..64", received=str(takes))
    if single and takes > 1:
        say("one file was asked for: the best of the candidates is kept; for more takes name a folder", quiet=quiet)
    folder = out.parent if single else out
    package = load_package(model)
    wish = " ".join(words or ())
    controls = {
        "bars": bars, "seconds": seconds, "style": style, "composer": composer, "key": key, "meter": meter, "tempo_qpm": tempo,
        "parts": parts, "density": _number(density), "register": _number(register), "form": form, "cadence": cadence, "title": title,
        "scale": scale, "ranges": tuple(ranges) if ranges else None, "rhythm": rhythm, "chords": chords, "like": like,
    }  # fmt: skip
    sampling = {"temperature": temperature, "top_p": top_p, "min_p": min_p, "original": original, "check_style": check_style or None}
    given: dict[str, Any] = {k: v for k, v in {**controls, **sampling}.items() if v is not None}
    if package.manifest["family"] == "gan":
        from zhiyin.app.cli.compose_bars import write_bars

        write_bars(package, wish, {**given, "seed": seed, "takes": 1 if single else takes}, out, How(soundfont, 0, language, sign, quiet), json=json)
        return
    first_file: list[float] = []

    def early(piece: Piece) -> None:
        """The first take is on disk before the others are written."""
        if not single:
            taken = [_taken(piece, package.name, int(piece.record["settings"]["seed"]))]
            name_takes(taken, folder)
            write_take(taken[0], soundfont=soundfont, seed=0, kinds=(".mid",))
            say(f"first take after {time.monotonic() - began:.1f} s: {taken[0].files['.mid']}", quiet=quiet)
        first_file.append(time.monotonic() - began)

    given |= {"seed": seed, "takes": 1 if single else takes} | ({"candidates": candidates} if candidates else {})
    if for_:
        from zhiyin.inference.compose_for import compose_for
        from zhiyin.library import open_library

        with progress_bar("compose", quiet=quiet) as bar:
            made = compose_for(for_, wish, model=package, diverse=diverse, library=open_library(library, make=False), progress=bar, **given)
    else:
        made = compose_pieces(wish, model=package, on_take=early, **given)
    used = int(made.report["seed"])
    taken = [_taken(p, package.name, used) for p in made.pieces]
    how = How(soundfont=soundfont, seed=used, language=language, sign=sign, quiet=quiet)
    files = write_and_log(taken, out, how)
    if json:
        print_json(
            {
                "files": [str(f) for f in files],
                "seconds": round(time.monotonic() - began, 3),
                "first_file_seconds": round(first_file[0], 3) if first_file else None,
                **made.report,
            }
        )
        return
    _tell(made, taken, files, single=single, how=how)


def _number(text: str | None) -> float | str | None:
    """A number where the text is one, else the word."""
    try:
        return float(text) if text is not None else None
    except ValueError:
        return text


def _taken(piece: Piece, model: str, seed: int) -> Taken:
    report = piece.report
    facts = [
        ("style", str(report["style"])), *([("key", str(report["key"]))] if report["key"] else []), ("meter", str(report["meter"])), ("form", str(report["form"])),
        ("tempo", f"{report['tempo']}, {tempo_said(report['tempo_qpm'], find_meter(report['meter']))}"), ("bars", str(report["bars"])), ("notes", str(report["notes"])),
        ("length", f"{report['seconds']:.0f} s"), ("parts", ", ".join(report["parts"])), ("model", model), ("seed", str(seed)),
    ]  # fmt: skip
    known = report.get("originality")  # not yet of the first take, which is written early
    facts += [("originality", known["line"])] if known else []
    facts += [(f"for {report['for']}", report["reason"])] if "for" in report else []
    return Taken(piece.score, piece.record, facts)


def _tell(made: Composition, taken: list[Taken], files: list[Path], *, single: bool, how: How) -> None:
    """What a person wants to know, in few lines, and three ways on with this very file."""
    report, quiet = made.report, how.quiet
    for name, label in (("understood", "understood"), ("assumed", "assumed"), ("ignored", "not understood")):
        if report.get(name):
            say(f"{label}: {', '.join(map(str, report[name]))}", quiet=quiet)
    if report.get("constraints"):
        say(f"held: {', '.join(report['constraints'])}", quiet=quiet)
    for sentence in report.get("gave_way", ()):
        say(f"gave way: {sentence}", quiet=quiet)
    counts = report["candidates"]
    say(
        f"written {counts['written']}, unplayable {counts['unplayable']}, kept {counts['kept']}; seed {report['seed']}",
        quiet=quiet,
    )
    if counts["unplayable"] and not any(p.verdict.playable for p in made.pieces):
        say(_unplayable(counts, report["problems"], rhythm=any(c.startswith("rhythm of") for c in report.get("constraints", ()))), quiet=quiet)
    if "of_style" in counts:
        say(f"of the {counts['heard']} best the classifier takes {counts['of_style']} for the style that they were written in", quiet=quiet)
    if "agreed" in counts:
        say(_agreed(counts, made.pieces[0].report), quiet=quiet)
    if "too_close" in counts:
        say(f"went back {counts['went_back']} times, gave up {counts['too_close']} takes as too close", quiet=quiet)
    for take in taken:
        facts = dict(take.facts)
        say(
            f"\n“{take.title}”  {facts['key'] + ', ' if 'key' in facts else ''}{facts['meter']}, form {facts['form']}, {facts['bars']} bars, {facts['length']}, {facts['tempo']}",
            quiet=quiet,
        )
        say(f"  originality: {facts['originality']}", quiet=quiet)
        for name in (n for n in facts if n.startswith("for ")):
            say(f"  {name}: {facts[name]}", quiet=quiet)
        for path in files if single else take.files.values():
            say(f"  {path}", quiet=quiet)
    from zhiyin.formats.soundfont import find_soundfont

    say(
        f"\nsoundfont: {find_soundfont(how.soundfont).name}. Machine-composed; how each piece was made stands in it and beside it (.zhiyin.json).",
        quiet=quiet,
    )
    for note in report.get("of_listener", ()):
        say(note, quiet=quiet)
    first = files[0] if single else taken[0].files[".mid"]
    if not single:
        say(f"look and listen: open {files[-1]}", quiet=quiet)
    if "for" in report:
        tell_next((f"zhiyin library rate {first} --listener '{report['for']}' --stars 4", f"zhiyin compose --for '{report['for']}'"), quiet=quiet)
        return
    tell_next(
        (
            f"zhiyin continue {first} --bars 8",
            f"zhiyin show {first} --roll roll.png",
            f"zhiyin convert {first} -o piece.mp3",
        ),
        quiet=quiet,
    )


def _unplayable(counts: Mapping[str, Any], problems: list[str], *, rhythm: bool) -> str:
    """What cannot be played in what was kept all the same."""
    first = f"{problems[0]}" + (f", and {len(problems) - 1} more" if len(problems) > 1 else "")
    where = " (some of it may lie in the given rhythm)" if rhythm else ""
    return f"none of the {counts['written']} can be played as it stands; kept is the one with the fewest problems: {first}{where}"


def _agreed(counts: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """With how many candidates the classifier agreed; what was kept where it was none."""
    heard = report["style_check"]
    if counts["agreed"]:
        return f"the classifier agrees with {counts['agreed']} of {counts['written']} that they are {report['style']}; only such are kept"
    taken = f"takes it for {heard['said']}" if not heard["none_of_these"] else "finds it like nothing that it knows"
    return f"the classifier agrees with none of {counts['written']}: kept is the nearest, it {taken} ({report['style']} {100 * heard['probability']:.0f} %)"
