"""A transformer of one layer that learns to classify sentences; its words are those of its own members."""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

WORDS, LENGTH, WIDTH, BATCH = 4_000, 32, 64, 50
NONE, UNKNOWN = 0, 1  # no word; a word that is not among the members' most frequent


class Transformer(nn.Module):
    """Embeddings of words and places, one encoder layer, the mean over the words, and a linear layer."""

    def __init__(self, words: int, classes: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.encoder = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits [B, C] of sentences [B, LENGTH]."""
        absent = tokens == NONE
        z = self.encoder(self.words(tokens) + self.places.weight, src_key_padding_mask=absent)
        present = (~absent).unsqueeze(-1)
        return self.head((z * present).sum(1) / present.sum(1))


def fit(x: Sequence[str], y: np.ndarray, seed: int, epochs: int) -> Callable[[Sequence[str]], torch.Tensor]:
    """Train on the sentences of one model, and return a function that gives logits [n, C]."""
    torch.manual_seed(seed)
    counts = Counter(word for text in x for word in _words(text))
    number = {word: n for n, (word, _) in enumerate(counts.most_common(WORDS), UNKNOWN + 1)}
    model = Transformer(len(number) + 2, int(y.max()) + 1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    tokens, labels = _tokens(x, number), torch.from_numpy(y)
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(tokens[rows]), labels[rows]).backward()
            optimiser.step()
    model.eval()

    def predict(texts: Sequence[str]) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([model(part) for part in _tokens(texts, number).split(500)])

    return predict


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)[:LENGTH]


def _tokens(texts: Sequence[str], number: dict[str, int]) -> torch.Tensor:
    rows = [[number.get(word, UNKNOWN) for word in _words(text)] or [UNKNOWN] for text in texts]
    return torch.tensor([row + [NONE] * (LENGTH - len(row)) for row in rows])
