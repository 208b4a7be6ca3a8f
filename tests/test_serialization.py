"""Files of state dicts: round trips, types, whole or not at all, and damage of every kind."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import random_array

import fastconv as fc
from fastconv import models, nn
from fastconv.serialization import safetensors

ENDINGS = ["safetensors", "npz"]
DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]


def sample() -> dict[str, Any]:
    """Return arrays of every type, shape and layout."""
    state: dict[str, Any] = {
        f"type.{code}": random_array(code, (3, 5), np.float64).astype(code) for code in DTYPES
    }
    values = random_array("values", (4, 6, 5), np.float32)
    return state | {
        "transposed": values.T,
        "reversed": values[::-1, :, ::2],
        "broadcast": np.broadcast_to(np.float32(2.5), (3, 4)),
        "big_endian": values.astype(">f8"),
        "scalar": np.float64(0.1),
        "empty": np.empty((0, 3), np.float32),
        'ümläut/χ and a "quote"': np.arange(3),
        "file": np.ones(2),
        "": np.zeros(1),
        "special": np.array([np.nan, -np.inf, -0.0, 5e-324]),
        "parameter": nn.Parameter(np.ones(3)),
        "list": [1.0, 2.0],
    }


def same(loaded: dict[str, Any], state: dict[str, Any]) -> None:
    """Expect equal names, types and bits, in memory of its own."""
    assert set(loaded) == set(state)
    for name, value in state.items():
        expected = np.asarray(value)
        array = loaded[name]
        assert array.dtype == expected.dtype.newbyteorder("="), name
        assert array.shape == expected.shape, name
        np.testing.assert_array_equal(array, expected, err_msg=name)
        np.testing.assert_array_equal(np.signbit(array * 1.0), np.signbit(expected * 1.0), err_msg=name)
        assert array.flags.writeable and array.flags.aligned, name


@pytest.mark.parametrize("ending", ENDINGS)
def test_round_trip(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"state.{ending}"
    fc.save(path, sample())
    same(fc.load(str(path)), sample())
    fc.save(str(path), {})
    assert fc.load(path) == {}
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_model_comes_back(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{ending}"
    net = models.squeezenet1_1(num_classes=3, rng=1).eval()
    fc.save(path, net.state_dict())
    other = models.squeezenet1_1(num_classes=3, rng=2).eval()
    other.load_state_dict(fc.load(path))
    x = random_array("x", (1, 3, 32, 32), np.float32)
    np.testing.assert_array_equal(other(x), net(x))


def test_npz_is_numpys(tmp_path: Path) -> None:
    fc.save(tmp_path / "a.npz", {"w": np.arange(6).reshape(2, 3).T, "a.npy": np.ones(1)})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["w"], np.arange(6).reshape(2, 3).T)
    assert list(fc.load(tmp_path / "a.npz")) == ["w", "a.npy"]
    for save in (np.savez, np.savez_compressed):
        state: dict[str, Any] = {"w": np.arange(60_000.0).reshape(200, -1, order="F"), "s": np.float16(3)}
        save(tmp_path / "b.npz", **state)
        same(fc.load(tmp_path / "b.npz"), state)


def test_arrays_are_aligned_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    fc.save(path, sample())
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    for entry in json.loads(data[8 : 8 + length]).values():
        size = int(entry["dtype"].lstrip("BOLUIF") or 8) // 8
        assert (8 + length + entry["data_offsets"][0]) % size == 0


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5, np.inf, 3.0e38, -0.0, 1e-40], np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    loaded = load(tmp_path, written({"w": entry("BF16", [2, 3], 0, 12)}, upper))["w"]
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded.ravel(), (values.view(np.uint32) & 0xFFFF0000).view(np.float32))


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    fc.save(path, {"w": np.ones(3)})
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    for where in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, where, fail)
            with pytest.raises(OSError, match="disk full"):
                fc.save(path, {"w": np.zeros(3)})
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == [path.name]


def test_file_is_as_others_are_and_a_link_stays(tmp_path: Path) -> None:
    plain, target, link = (tmp_path / name for name in ("plain", "target.npz", "link.npz"))
    plain.write_bytes(b"")
    target.write_bytes(b"")
    link.symlink_to(target)
    fc.save(link, {"w": np.ones(3)})
    assert link.is_symlink()
    np.testing.assert_array_equal(fc.load(target)["w"], np.ones(3))
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (("a.pt", {}), ValueError, "path='a.pt' must end with .safetensors or .npz"),
        (("safetensors", {}), ValueError, "path='safetensors' must end with"),
        ((3, {}), TypeError, "path must be a string or a path, got int"),
        ((b"a.npz", {}), TypeError, "path must be a string or a path, got bytes"),
        ((io.BytesIO(), {}), TypeError, "path must be a string or a path, got BytesIO"),
        (("a.npz", [1]), TypeError, "state_dict must be a mapping, got list"),
        (("a.npz", {3: np.ones(1)}), TypeError, "state_dict has a name of type int"),
        (("a.npz", {"w": 1j}), TypeError, r"state_dict\['w'\] has dtype complex128"),
        (("a.npz", {"w": "text"}), TypeError, r"state_dict\['w'\] has dtype"),
        (("a.npz", {"w": [None]}), TypeError, r"state_dict\['w'\] has dtype object"),
        (("a.npz", {"w": np.ma.ones(3)}), TypeError, r"state_dict\['w'\] is a masked array"),
        (("a.npz", {"w\0": 1.0}), ValueError, "null character"),
        (("a.safetensors", {"__metadata__": 1.0}), ValueError, "'__metadata__', which safetensors reserves"),
        (
            ("a.safetensors", {"w\ud800": 1.0}),
            ValueError,
            r"name 'w\\ud800': surrogate characters are no text",
        ),
        (("a.npz", {"\udfff": 1.0}), ValueError, r"name '\\udfff': surrogate characters are no text"),
        (("\ud800.npz", {}), ValueError, r"path='\\ud800.npz' has surrogate characters"),
    ],
)
def test_wrong_arguments_of_save(
    arguments: Any, kind: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=said):
        fc.save(*arguments)
    assert os.listdir(tmp_path) == []


def test_wrong_arguments_of_load(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must end with"):
        fc.load("a.pth")
    with pytest.raises(TypeError, match="path must be a string or a path, got NoneType"):
        fc.load(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"path='\\ud800.npz' has surrogate characters"):
        fc.load("\ud800.npz")
    with pytest.raises(FileNotFoundError):
        fc.load(tmp_path / "missing.npz")


def entry(dtype: Any, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    """Return an entry of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def written(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """Return a file of safetensors with this header, which may be text."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def load(folder: Path, data: bytes, ending: str = "safetensors") -> dict[str, Any]:
    """Load a file of these bytes."""
    path = folder / f"a.{ending}"
    path.write_bytes(data)
    return fc.load(path)


W = entry("F32", [2], 0, 8)
DAMAGED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it has 0 bytes"),
    "short_length": (b"\0" * 7, "it has 7 bytes"),
    "header_longer_than_the_file": (written({}, length=3), "header of 3 bytes exceeds the file"),
    "huge_header": (written({}, length=2**64 - 1), "exceeds the file or the limit"),
    "no_object": (written([1]), "does not begin with"),
    "space_before": (written(b" {}"), "does not begin with"),
    "cut_json": (written(b'{"w": '), "cannot be read"),
    "no_utf8": (written(b'{"\xff": 1}'), "cannot be read"),
    "surrogate": (written({"w\ud800": W}, b"\0" * 8), r"name 'w\\ud800' has surrogate characters"),
    "nan": (written(b'{"w": NaN}'), "NaN is no JSON"),
    "deep": (written(b'{"w": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "too deeply"),
    "many_digits": (written(b'{"w": ' + b"9" * 5000 + b"}"), "cannot be read"),
    "text_after": (written(b"{}x"), "cannot be read"),
    "twice": (written(b'{"w": 1, "w": 2}'), "'w' comes twice"),
    "dtype_twice": (written(b'{"w": {"dtype": "F32", "dtype": "F64"}}'), "'dtype' comes twice"),
    "metadata_of_numbers": (written({"__metadata__": {"a": 1}}), "strings to strings"),
    "metadata_is_a_list": (written({"__metadata__": []}), "strings to strings"),
    "entry_is_a_number": (written({"w": 3}), "must have dtype, shape and data_offsets"),
    "entry_lacks_shape": (written({"w": {"dtype": "F32", "data_offsets": [0, 0]}}), "must have dtype"),
    "entry_has_more": (written({"w": W | {"more": 1}}, b"\0" * 8), "and nothing else"),
    "unknown_dtype": (written({"w": entry("F8_E4M3", [8], 0, 8)}, b"\0" * 8), "dtype 'F8_E4M3'"),
    "dtype_is_a_list": (written({"w": entry(["F32"], [2], 0, 8)}, b"\0" * 8), "dtype"),
    "shape_is_a_number": (written({"w": entry("F32", 2, 0, 8)}, b"\0" * 8), "has shape 2"),
    "negative_size": (written({"w": entry("F32", [-2], 0, 8)}, b"\0" * 8), "has shape"),
    "size_is_a_float": (written({"w": entry("F32", [2.0], 0, 8)}, b"\0" * 8), "has shape"),
    "size_is_a_bool": (written({"w": entry("F32", [True], 0, 4)}, b"\0" * 4), "has shape"),
    "huge_size": (written({"w": entry("F32", [2**64], 0, 8)}, b"\0" * 8), "has shape"),
    "sizes_overflow": (written({"w": entry("F32", [2**62, 2**62], 0, 8)}, b"\0" * 8), "needs"),
    "wrong_size": (written({"w": entry("F32", [3], 0, 8)}, b"\0" * 8), "needs 12 bytes, but has 8"),
    "many_axes": (written({"w": entry("U8", [1] * 70, 0, 1)}, b"\0"), "has 70 axes"),
    "one_offset": (written({"w": W | {"data_offsets": [0]}}, b"\0" * 8), "must be .begin, end."),
    "offsets_reversed": (written({"w": W | {"data_offsets": [8, 0]}}, b"\0" * 8), "must be .begin, end."),
    "offset_is_negative": (written({"w": W | {"data_offsets": [-8, 0]}}, b"\0" * 8), "has data_offsets"),
    "data_missing": (written({"w": W}, b"\0" * 7), "its arrays have 8 bytes, but there are 7"),
    "data_left_over": (written({"w": W}, b"\0" * 9), "its arrays have 8 bytes, but there are 9"),
    "data_without_arrays": (written({}, b"\0"), "its arrays have 0 bytes, but there are 1"),
    "gap_before": (written({"w": entry("F32", [2], 4, 12)}, b"\0" * 12), "leaves a gap"),
    "gap_between": (written({"w": W, "v": entry("U8", [1], 9, 10)}, b"\0" * 10), "'v' leaves a gap"),
    "overlap": (written({"w": W, "v": entry("F32", [2], 4, 12)}, b"\0" * 12), "'v' overlaps another"),
    "same_bytes": (written({"w": W, "v": W}, b"\0" * 8), "overlaps another"),
    "huge_array": (written({"w": entry("F32", [2**40], 0, 2**42)}), "but there are 0"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_safetensors(name: str, tmp_path: Path) -> None:
    data, said = DAMAGED[name]
    with pytest.raises(ValueError, match=said) as info:
        load(tmp_path, data)
    assert str(info.value).startswith(f"path={str(tmp_path / 'a.safetensors')!r} cannot be loaded: ")


def test_safetensors_that_is_allowed(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "v": entry("U8", [0], 8, 8),
        "w": W,
        "s": entry("U8", [], 8, 9),
    }
    loaded = load(tmp_path, written(json.dumps(header).encode() + b"   ", b"\0" * 8 + b"\7"))
    assert {name: (array.shape, array.dtype) for name, array in loaded.items()} == {
        "v": ((0,), np.uint8),
        "w": ((2,), np.float32),
        "s": ((), np.uint8),
    }
    assert loaded["s"] == 7


@pytest.mark.parametrize("ending", ENDINGS)
def test_cut_and_changed_files(ending: str, tmp_path: Path) -> None:
    """A cut file is an error; one with a changed byte is an error, or something without memory errors."""
    path = tmp_path / f"whole.{ending}"
    fc.save(path, {"w": np.arange(6, dtype=np.float32), "v": np.ones((2, 2))})
    data = path.read_bytes()
    for end in range(len(data)):
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(tmp_path, data[:end], ending)
    for position in range(len(data)):
        for bit in (0x01, 0x80):
            changed = bytearray(data)
            changed[position] ^= bit
            try:
                load(tmp_path, bytes(changed), ending)
            except ValueError as error:
                assert "cannot be loaded" in str(error)


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as whole:
        for name, data in members:
            whole.writestr(name, data)
    return stream.getvalue()


def npy(array: Any, change: Callable[[bytes], bytes] = bytes, **options: Any) -> bytes:
    """Return an npy file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), **options)
    return change(stream.getvalue())


def reshaped(shape: str) -> bytes:
    """Return an npy file of three numbers, of this shape by its header."""
    return npy(
        np.ones(3), lambda data: data.replace(b"(3,), }" + b" " * 12, (shape + ", }").ljust(19).encode())
    )


class Trap:
    """An object whose unpickling would be noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("unpickled",)


DAMAGED_ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "no archive"),
    "text": (lambda: b"hello" * 20, "no archive"),
    "pickle": (lambda: pickle.dumps([1, 2, 3]), "no archive"),
    "npy": (lambda: npy(np.ones(3)), "no archive"),
    "other_member": (lambda: archive(("w.txt", b"hello")), "does not end with .npy"),
    "no_npy": (lambda: archive(("w.npy", b"hello")), "no header that can be read"),
    "empty_member": (lambda: archive(("w.npy", b"")), "no header that can be read"),
    "objects": (lambda: archive(("w.npy", npy(np.array([Trap()])))), "dtype object"),
    "strings": (lambda: archive(("w.npy", npy(["a"]))), "it must hold real numbers"),
    "complex": (lambda: archive(("w.npy", npy([1j]))), "it must hold real numbers"),
    "structured": (lambda: archive(("w.npy", npy(np.zeros(2, "i4,f4")))), "it must hold real numbers"),
    "long_double": (lambda: archive(("w.npy", npy(np.ones(2, np.longdouble)))), "it must hold real numbers"),
    "times": (lambda: archive(("w.npy", npy(np.zeros(2, "M8[s]")))), "it must hold real numbers"),
    "version": (lambda: archive(("w.npy", npy(np.ones(2), lambda b: b[:6] + b"\x09" + b[7:]))), "no header"),
    "surrogate": (
        lambda: archive(("\u20ac.npy", npy([1]))).replace(b"\xe2\x82\xac", b"\xed\xa0\x80"),
        "no text",
    ),
    "twice": (lambda: archive(("w.npy", npy([1])), ("w.npy", npy([2]))), "'w.npy' comes twice"),
    "shape_of_expressions": (lambda: archive(("w.npy", reshaped("(9**9,)"))), "no header"),
    "shape_larger": (lambda: archive(("w.npy", reshaped("(4,)"))), "needs 32 bytes, but has 24"),
    "shape_smaller": (lambda: archive(("w.npy", reshaped("(2,)"))), "needs 16 bytes, but has 24"),
    "shape_negative": (lambda: archive(("w.npy", reshaped("(-3,)"))), "needs -24 bytes"),
    "shape_doubly_negative": (lambda: archive(("w.npy", reshaped("(-3, -1)"))), "needs 24 bytes"),
    "shape_huge": (lambda: archive(("w.npy", reshaped("(9999999999,)"))), "needs 79999999992 bytes"),
    "lzma": (lambda: archive(("w.npy", npy([1.0])), method=zipfile.ZIP_LZMA), "unknown method, 14"),
}


@pytest.mark.parametrize("name", DAMAGED_ARCHIVES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_damaged_npz(name: str, tmp_path: Path) -> None:
    make, said = DAMAGED_ARCHIVES[name]
    with pytest.raises(ValueError, match=said):
        load(tmp_path, make(), "npz")


def test_archive_that_claims_more_than_deflate_can_hold(tmp_path: Path) -> None:
    data = archive(("w.npy", npy(np.zeros(1000))), method=zipfile.ZIP_DEFLATED)
    directory = data.index(b"PK\1\2")
    claimed = bytearray(data)
    claimed[directory + 24 : directory + 28] = struct.pack("<I", 2**31)
    with pytest.raises(ValueError, match="cannot have 2147483648 bytes"):
        load(tmp_path, bytes(claimed), "npz")


def test_header_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors, "MAX_HEADER", 64)
    with pytest.raises(ValueError, match="needs a header of"):
        fc.save(tmp_path / "a.safetensors", {"w" * 64: 1.0})
    with pytest.raises(ValueError, match="the limit of 64"):
        load(tmp_path, written(b"{" + b" " * 64 + b"}"))


@pytest.mark.parametrize(
    "header",
    [b"{'descr': (", b"  x\n y", b"-" * 9000, b"(" * 300],
    ids=["open", "indented", "deep", "nested"],
)
def test_damaged_header_of_an_array_is_a_value_error(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.npz"
    with zipfile.ZipFile(path, "w") as file:
        text = header + b"\n"
        file.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(ValueError, match="damaged"):
        fc.load(path)
