"""all-MiniLM-L6-v2 in numpy: texts to vectors of 384 dimensions.

The model is BERT (Devlin and others, 2018) with six layers, its token vectors
averaged and scaled to length one. It reads the safetensors file and the
tokenizer that the model is published with, and nothing else.
"""

import json
import math
from pathlib import Path

import numpy
from tokenizers import Tokenizer

HEADS = 12
LAYERS = 6
EPSILON = 1e-12
MOST_TOKENS = 256
BATCH = 32


def read_safetensors(path: Path) -> dict[str, numpy.ndarray]:
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if entry.get("dtype") == "F32":
            begin, end = (start + offset for offset in entry["data_offsets"])
            tensors[name] = numpy.frombuffer(data[begin:end], numpy.float32).reshape(entry["shape"])
    return tensors


def erf(x: numpy.ndarray) -> numpy.ndarray:
    """Abramowitz and Stegun 7.1.26, off by 1.5e-7 at most."""
    t = 1 / (1 + 0.3275911 * numpy.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return numpy.sign(x) * (1 - series * numpy.exp(-x * x))


def gelu(x: numpy.ndarray) -> numpy.ndarray:
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def softmax(x: numpy.ndarray) -> numpy.ndarray:
    powers = numpy.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class MiniLM:
    def __init__(self, folder: Path) -> None:
        self.weights = read_safetensors(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MOST_TOKENS)
        self.tokenizer.no_padding()

    def embed(self, texts: list[str]) -> tuple[numpy.ndarray, int]:
        """The vectors of texts in their order, and how many tokens they have."""
        encodings = self.tokenizer.encode_batch(texts)
        # Texts of about one length together, so that little is padded.
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i].ids))
        vectors = numpy.zeros((len(texts), 384), numpy.float32)
        for begin in range(0, len(order), BATCH):
            places = order[begin : begin + BATCH]
            vectors[places] = self.forward([encodings[i].ids for i in places])
        return vectors, sum(len(encoding.ids) for encoding in encodings)

    def forward(self, rows: list[list[int]]) -> numpy.ndarray:
        longest = max(len(row) for row in rows)
        ids = numpy.array([row + [0] * (longest - len(row)) for row in rows])
        mask = numpy.array([[1.0] * len(row) + [0.0] * (longest - len(row)) for row in rows], numpy.float32)
        word, place, kind = (
            self.weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        )
        hidden = self.norm("embeddings.LayerNorm", word[ids] + place[:longest] + kind[0])
        for layer in range(LAYERS):
            hidden = self.layer(f"encoder.layer.{layer}", hidden, mask)
        mean = (hidden * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return mean / numpy.linalg.norm(mean, axis=1, keepdims=True)

    def layer(self, name: str, hidden: numpy.ndarray, mask: numpy.ndarray) -> numpy.ndarray:
        texts, length, width = hidden.shape

        def heads(part: str) -> numpy.ndarray:
            split = self.linear(f"{name}.attention.self.{part}", hidden).reshape(texts, length, HEADS, -1)
            return split.transpose(0, 2, 1, 3)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(width / HEADS)
        scores = scores + (mask[:, None, None, :] - 1) * 1e9
        seen = (softmax(scores) @ value).transpose(0, 2, 1, 3).reshape(texts, length, width)
        attended = self.linear(f"{name}.attention.output.dense", seen)
        hidden = self.norm(f"{name}.attention.output.LayerNorm", hidden + attended)
        wide = gelu(self.linear(f"{name}.intermediate.dense", hidden))
        return self.norm(f"{name}.output.LayerNorm", hidden + self.linear(f"{name}.output.dense", wide))

    def linear(self, name: str, x: numpy.ndarray) -> numpy.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name: str, x: numpy.ndarray) -> numpy.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = numpy.sqrt((centred * centred).mean(axis=-1, keepdims=True) + EPSILON)
        return centred / deviation * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
