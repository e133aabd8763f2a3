"""zhiyin beside what people would use instead, on one machine, in turns: files to rows, training speed, generation, cold start, memory.

    python benchmarks/peers/compare.py FOLDER_OF_MIDI [--files 100] [--rounds 5] [--environments DIR] [--only encode generate train]

Makes an environment for each peer (pinned in requirements-*.txt) under --environments where it is not there yet. Ours and the peer's work alternate,
ours first in even rounds, so that whatever else the machine does falls on both; ratios are medians over the rounds' pairs. The clock runs inside each
process, around the work alone; load and start are told apart. One thread each unless --threads says more.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from common import about, write  # noqa: E402

SCRIPTS = {"miditok": "miditok_gpt2.py", "keras": "classic_keras.py"}
TARGETS = {"encode:miditok": 50, "generate:miditok": 20, "generate16:miditok": 20, "generate:keras": 100, "train:miditok": 3, "train:keras": 3}


class Process:
    """A worker (see worker.py) and what it said when it was ready."""

    def __init__(self, python: str, script: str, *arguments: str, threads: int) -> None:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        env = {**os.environ, **{n: str(threads) for n in names}, "TF_CPP_MIN_LOG_LEVEL": "2"}
        if python != sys.executable:
            env.pop("PYTHONPATH", None)
        command = [python, str(HERE / script), *arguments]
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts = self._answer()

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """One command and its answer."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(map(str, self.process.args))} ended without an answer")  # type: ignore[arg-type, union-attr]
        return json.loads(line)

    def close(self) -> None:
        """Lets it end."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def environment(folder: Path, peer: str) -> str:
    """The interpreter of a peer's environment, made and filled where it is not there."""
    python = folder / peer / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder / peer)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(HERE / f"requirements-{peer}.txt")], check=True)
    return str(python)


def in_turns(ours: Any, theirs: Any, rounds: int) -> dict[str, Any]:
    """Runs both ``rounds`` times, alternating who is first; notes a second of each, and the ratio of each pair."""
    pairs: list[dict[str, Any]] = []
    for k in range(rounds):
        first, second = (ours, theirs) if k % 2 == 0 else (theirs, ours)
        load = round(os.getloadavg()[0], 2)
        said = {id(run): run(k) for run in (first, second)}
        a, b = said[id(ours)], said[id(theirs)]
        rates = {f"{who}_{clock}": s["notes"] / s[seconds] for who, s in (("ours", a), ("peer", b)) for clock, seconds in (("wall", "seconds"), ("processor", "processor_seconds"))}
        pairs.append({**{n: round(v, 1) for n, v in rates.items()}, "ratio": rates["ours_wall"] / rates["peer_wall"],
                      "ratio_processor": rates["ours_processor"] / rates["peer_processor"], "load": load})  # fmt: skip
        print(f"  round {k + 1}: {pairs[-1]}", file=sys.stderr, flush=True)
    middle = {n: round(median(p[n] for p in pairs), 2) for n in pairs[0] if n != "load"}
    return {**middle, "ratios": [round(p["ratio"], 2) for p in pairs], "rounds": rounds, "loads": [p["load"] for p in pairs]}


def compare(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """All comparisons; the peers' processes live one at a time beside ours."""
    found = sorted(p.resolve() for p in options.folder.rglob("*.mid"))
    files = random.Random(0).sample(found, min(options.files, len(found)))
    (work / "files.json").write_text(json.dumps([str(f) for f in files]), encoding="utf-8")
    for name in ("ours", "tokens"):
        (work / name).mkdir()
    ours = Process(sys.executable, "ours.py", str(work / "files.json"), threads=options.threads)
    result: dict[str, Any] = {}
    facts: dict[str, Any] = {"ours": ours.facts, "files": len(files)}

    def own_training(recipe: str) -> Any:
        return lambda k: ours.ask("train", for_seconds=options.seconds, precision=options.precision, recipe=recipe, folder=str(work / "ours"))

    size = ("--parameters", str(ours.facts["parameters"]), "--threads", str(options.threads))
    peer = Process(environment(options.environments, "miditok"), SCRIPTS["miditok"], str(work / "files.json"), *size, threads=options.threads)
    facts["miditok"] = peer.facts
    if "encode" in options.only:
        result["encode:miditok"] = in_turns(lambda k: ours.ask("encode", out=str(work / "ours")), lambda k: peer.ask("encode", out=str(work / "tokens")), options.rounds)
    read = peer.ask("encode", out=str(work / "tokens"))
    facts["tokens_per_note"] = round(read["tokens"] / read["notes"], 3)
    if "generate" in options.only:
        for batch, name in ((1, "generate"), (16, "generate16")):
            result[f"{name}:miditok"] = in_turns(
                lambda k, b=batch: ours.ask("generate", batch=b, bars=16, seed=k), lambda k, b=batch: peer.ask("generate", batch=b, tokens=options.tokens, seed=k), options.rounds,
            )  # fmt: skip
    if "train" in options.only:
        result["train:miditok"] = in_turns(own_training("default"), lambda k: peer.ask("train", for_seconds=options.seconds, precision=options.precision), options.rounds)
    facts["miditok"]["peak_megabytes"] = peer.ask("generate", batch=1, tokens=2, seed=0)["peak_megabytes"]
    peer.close()
    peer = Process(environment(options.environments, "keras"), SCRIPTS["keras"], str(work / "tokens" / "tokens.npz"), "--threads", str(options.threads), threads=options.threads)
    facts["keras"] = peer.facts
    if "generate" in options.only:
        result["generate:keras"] = in_turns(lambda k: ours.ask("generate", batch=1, bars=16, seed=k), lambda k: peer.ask("generate", batch=1, tokens=options.tokens // 4, seed=k), options.rounds)
    if "train" in options.only:
        result["train:keras"] = in_turns(own_training("classic"), lambda k: peer.ask("train", for_seconds=options.seconds, precision="fp32"), options.rounds)
    facts["keras"]["peak_megabytes"] = peer.ask("generate", batch=1, tokens=1, seed=0)["peak_megabytes"]
    peer.close()
    facts["ours"]["peak_megabytes"] = ours.ask("generate", batch=1, bars=2, seed=0)["peak_megabytes"]
    ours.close()
    for name, line in result.items():
        line["target_ratio"] = TARGETS[name]
        line["reached"] = line["ratio"] >= TARGETS[name]
    return {"facts": facts, "compared": result}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=256, help="tokens a generation of the peers writes, per piece")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each turn of training")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--environments", type=Path, default=HERE / ".venv-peers")
    parser.add_argument("--only", nargs="*", default=["encode", "generate", "train"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = compare(options, Path(folder))
    command = f"python benchmarks/peers/compare.py FOLDER_OF_MIDI --files {options.files} --rounds {options.rounds} --precision {options.precision} --only {' '.join(options.only)}"
    write("peers", about(command, threads=options.threads, precision=options.precision, clock="medians of the rounds; notes a second", **told))


if __name__ == "__main__":
    main()
