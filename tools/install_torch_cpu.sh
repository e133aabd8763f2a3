#!/bin/sh
# Installs a CPU build of torch into the given Python: a local wheel if pip knows one, else PyTorch's CPU index.
# Never takes the CUDA build that plain `pip install torch` brings on Linux.
set -eu
python=$1
"$python" -c 'import torch' 2>/dev/null && exit 0
want='torch>=2.4,<2.14'
pip="$python -m pip --disable-pip-version-check -q"
plan=$($pip install --dry-run --quiet --report - "$want" 2>/dev/null || true)
if [ -n "$plan" ] && ! printf '%s' "$plan" | grep -qiE '"name": *"(nvidia|triton|cuda)'; then
    $pip install "$want"
else
    $pip install "$want" --index-url https://download.pytorch.org/whl/cpu
fi
