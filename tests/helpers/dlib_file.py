"""A file as dlib writes it, with weights of one's own."""

import numpy as np

from facematch.networks.dlib_resnet import DlibResNet


def integer(value: int) -> bytes:
    """dlib's integers: how many bytes, and those, the least first."""
    length = max(1, (value.bit_length() + 7) // 8)
    return bytes([length]) + value.to_bytes(length, "little")


def tensor(values: np.ndarray, *sizes: int) -> bytes:
    return b"".join(map(integer, (2, *sizes))) + values.astype("<f4").tobytes()


def named(name: str) -> bytes:
    return integer(len(name)) + name.encode()


def dlib_file(seed: int = 0) -> tuple[bytes, list[dict[str, np.ndarray]], np.ndarray]:
    """Return a network's bytes, what each convolution and the layer behind it hold, and the last layer (256×128)."""
    rng, parts, held = np.random.default_rng(seed), [integer(1), named("loss_metric_2")], []
    for layer in DlibResNet().modules():
        if type(layer).__name__ != "Conv2d":
            continue
        shape = tuple(layer.weight.shape)
        own = {
            "weight": rng.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float32),
            "bias": rng.normal(0, 0.1, shape[0]).astype(np.float32),
            "scale": rng.uniform(0.5, 1.5, shape[0]).astype(np.float32),
            "shift": rng.normal(0, 0.1, shape[0]).astype(np.float32),
        }
        held.append(own)
        values = np.concatenate([own["weight"].ravel(), own["bias"]])
        parts += [named("con_4"), tensor(values, len(values), 1, 1, 1), integer(3), integer(3)]
        parts += [named("affine_"), tensor(np.concatenate([own["scale"], own["shift"]]), 2 * shape[0], 1, 1, 1)]
        parts += [named("relu_1"), b"10"]
    last = rng.normal(0, 1 / 16, (256, 128)).astype(np.float32)
    parts += [named("fc_2"), integer(128), integer(256), tensor(last, 256, 128, 1, 1), integer(0)]
    return b"".join(parts), held, last
