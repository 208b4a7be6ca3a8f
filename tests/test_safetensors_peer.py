"""Our files of safetensors read by its own library, and the other way round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import random_array
from test_serialization import DAMAGED, same, sample

import fastconv as fc

peer = pytest.importorskip("safetensors")
# What the library allows beyond NumPy's types, and what it overlooks.
ALLOWED_THERE = {"unknown_dtype", "entry_has_more", "many_axes", "space_before"}


def test_ours_is_read_there(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    fc.save(tmp_path / "a.safetensors", sample())
    same(load_file(tmp_path / "a.safetensors"), sample())


def test_theirs_is_read_here(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    state = {name: np.ascontiguousarray(value) for name, value in sample().items() if name != "big_endian"}
    save_file(state, tmp_path / "a.safetensors", {"format": "np"})
    same(fc.load(tmp_path / "a.safetensors"), state)


def test_torch_writes_bfloat16(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    values = torch.from_numpy(random_array("values", (5, 7), np.float32))
    save_file(
        {"half": values.half(), "brain": values.bfloat16(), "whole": values}, tmp_path / "a.safetensors"
    )
    loaded: dict[str, Any] = fc.load(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(loaded["half"], values.half().numpy())
    np.testing.assert_array_equal(loaded["brain"], values.bfloat16().float().numpy())
    np.testing.assert_array_equal(loaded["whole"], values.numpy())


@pytest.mark.parametrize("name", [name for name in DAMAGED if name not in ALLOWED_THERE])
def test_damage_is_refused_there_too(name: str) -> None:
    with pytest.raises((peer.SafetensorError, ValueError, OverflowError)):
        peer.deserialize(DAMAGED[name][0])
