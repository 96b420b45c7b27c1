"""Damage to files of every kind, drawn by lot from a seed: bytes, lines, JSON and YAML values, headers, archives."""

import io
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable
from typing import Any

Mutation = Callable[[random.Random, bytes], bytes]

# Put into JSON after it is written: what a writer of JSON would not write.
_RAW = {
    "@deep@": "[" * 200_000 + "]" * 200_000,
    "@objects@": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "@digits@": "9" * 6_000,
    "@many@": "[" + "[]," * 200_000 + "1]",
    "@infinite@": "1e999999",
    "@half@": '"\\ud800"',
    "@control@": '"\\u0000\\u001b[2J"',
}
_ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 2**31, 2**63, -(2**63), 10**9, 10**18, 10**30, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", "x", "0", "nan", "\x1b[31m", "é" * 300, "../../etc/passwd", "a" * 5_000, [], {}, [[]], [None],
    {"": None}, [1, 2, 3], [0.1] * 7, ["a", "a"], {"a": {"a": {"a": []}}}, *_RAW,
)  # fmt: skip
_YAML = (
    "&a [*a]", "*a", "!!int x", "!!bool maybe", "!!float x", "? [a]\n: b", "<<: {a: 1}", "2020-13-45", "1:2:3", "0o9",
    "!!python/object/apply:os.system [x]", "!!set {a}", "!!binary é", "- - - -", "\t", "%YAML 9\n---", "|", ">", "'",
    '"', "---", "...", "{", "[", "]", "}", ": ", "#", "@", "`", "~", "0x" + "f" * 6_000, "9" * 6_000, "\x00", "\ufeff",
    "[" * 2_000, ".inf", ".nan", "1_0",
    "&b [x,x,x,x,x,x,x,x,x]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]",
)  # fmt: skip
_TEXT = (
    "\x00", "\r", "\n", "\t", ",", ";", '"', " ", "\ufeff", "\x1b[2J", "9" * 5_000, "x" * 200_000, "-1", "0", "é", "/",
    "..", "../../x", "nan", "\u2028", "\x85", '"a\nb"',
)  # fmt: skip


def bytes_changed(rng: random.Random, data: bytes) -> bytes:
    """Flip bits, cut, insert, repeat, blank or swap parts, once or a few times."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at, length = rng.randrange(len(changed) + 1), rng.choice((1, 1, 2, 4, 8, 64, 1000))
        part = bytes(changed[at : at + length])
        how = rng.randrange(7)
        if how == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            del changed[at:]
        elif how == 2:
            del changed[at : at + length]
        elif how == 3:
            changed[at:at] = rng.randbytes(length)
        elif how == 4:
            changed[at : at + length] = rng.choice((b"\x00", b"\xff", b"\x7f")) * len(part)
        elif how == 5:
            changed[rng.randrange(len(changed) + 1) :][:0] = part * rng.choice((1, 1, 100))
        elif at < len(changed):
            changed[at] = rng.randrange(256)
    return bytes(changed)


def lines_changed(rng: random.Random, data: bytes) -> bytes:
    """Repeat, drop, swap or change lines and fields of a text; now and then in another encoding."""
    lines = data.decode("utf-8", "replace").split("\n")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(lines))
        line, fields = lines[at], re.split(r"([\s,;])", lines[at])
        spot = rng.randrange(len(line) + 1)
        field = rng.randrange(len(fields))
        odd = rng.choice(_TEXT)
        lines[at : at + 1] = rng.choice(
            (
                [],
                [line, line],
                [line] * 50,
                [line[:spot] + odd + line[spot:]],
                ["".join([*fields[:field], odd, *fields[field + 1 :]])],
                ["".join(reversed(fields))],
                [line[:spot], line[spot:]],
            )
        ) or [""]
    text = "\n".join(lines)
    return text.encode(rng.choice(("utf-8",) * 8 + ("utf-16", "utf-8-sig", "cp1252")), "replace")


def json_changed(rng: random.Random, data: bytes) -> bytes:
    """Change the type of fields, leave some out, add some: wrong at one place or a few, still JSON."""
    value = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        value = _changed(rng, value)
    return _written(value)


def yaml_changed(rng: random.Random, data: bytes) -> bytes:
    """Put odd values of YAML in the place of values, of lines, or anywhere."""
    lines = data.decode().split("\n")
    for _ in range(rng.choice((1, 1, 2))):
        at, odd = rng.randrange(len(lines)), rng.choice(_YAML)
        key, mark, _ = lines[at].partition(":")
        spot = rng.randrange(len(lines[at]) + 1)
        lines[at] = rng.choice((odd, f"{key}{mark} {odd}", lines[at][:spot] + odd + lines[at][spot:], f"{odd}: {odd}"))
    return "\n".join(lines).encode()


def header_changed(rng: random.Random, data: bytes) -> bytes:
    """Change the JSON header of a .safetensors file, the JSON in its texts too; its tensors mostly stay."""
    length = struct.unpack("<Q", data[:8])[0]
    header = json_changed(rng, data[8 : 8 + length])
    told = rng.choice((len(header),) * 12 + (0, 2**63, 10**8 + 1, len(header) - 1))
    tensors = data[8 + length :]
    return struct.pack("<Q", told) + header + (bytes_changed(rng, tensors) if rng.random() < 0.1 else tensors)


def archive_changed(rng: random.Random, data: bytes) -> bytes:
    """Change, drop or replace a member of a zip file, which stays one."""
    found, made = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    chosen = rng.choice(found.namelist())
    with zipfile.ZipFile(made, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name in found.namelist():
            content = found.read(name)
            if name == chosen:
                how = rng.randrange(8)
                if how == 0:
                    continue
                content = bytes(20_000_000) if how == 1 else bytes_changed(rng, content)
            archive.writestr(name, content)
    return made.getvalue()


def _written(value: Any) -> bytes:
    text = json.dumps(value)
    for mark, raw in _RAW.items():
        text = text.replace(json.dumps(mark), raw).replace(json.dumps(json.dumps(mark))[1:-1], raw.replace('"', '\\"'))
    return text.encode()


def _changed(rng: random.Random, value: Any) -> Any:
    # The value with one change somewhere in it; a text that is JSON is changed within, now and then.
    if isinstance(value, str) and value[:1] in ("{", "[") and rng.random() < 0.9:
        return json.dumps(_changed(rng, json.loads(value)))
    if isinstance(value, dict | list) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = rng.choice(list(keys))
        changed = dict(value) if isinstance(value, dict) else list(value)
        how = rng.random()
        if how < 0.15:
            del changed[key]
        elif how < 0.25 and isinstance(changed, dict):
            changed[rng.choice(("", "x", "a" * 300, "\x1b", str(key) + "s"))] = changed.pop(key)
        elif how < 0.3 and isinstance(changed, list):
            changed[key:key] = [changed[key]] * rng.choice((1, 100))
        else:
            changed[key] = _changed(rng, changed[key])
        return changed
    wrapped = ([value], {"a": value}, str(value), [value, value])
    return rng.choice(_ODD) if rng.random() < 0.85 else rng.choice(wrapped)
