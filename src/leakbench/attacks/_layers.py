"""Layers whose dropout comes from a given generator: torch's own draw it from one that all threads share.

Imported by the network attacks when they fit: the rest of the attacks needs no torch.
"""

import torch
from torch import Generator, Tensor, nn


class Dropout(nn.Module):
    """Zeroes each number with probability p and divides the others by 1 - p, in training."""

    def __init__(self, p: float, generator: Generator) -> None:
        super().__init__()
        self.p, self.generator = p, generator

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        if not self.training or self.p == 0.0:
            return x
        kept = torch.rand(x.shape, generator=self.generator) >= self.p
        return x * kept / (1.0 - self.p)


class EncoderLayer(nn.Module):
    """A transformer's encoder layer, normalised after each sum (Vaswani et al. 2017): [B, T, W] -> [B, T, W]."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: Dropout) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.after_attention = nn.LayerNorm(width)
        self.widened, self.narrowed = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.after_forward = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Attention, then two linear layers, each added to what went in."""
        x = self.after_attention(x + self.dropout(self._attention(x)))
        wide = self.dropout(nn.functional.gelu(self.widened(x)))
        return self.after_forward(x + self.dropout(self.narrowed(wide)))  # type: ignore[no-any-return]

    def _attention(self, x: Tensor) -> Tensor:
        split = self.queries_keys_values(x).unflatten(2, (3, self.heads, -1))
        q, k, v = split.permute(2, 0, 3, 1, 4)  # each [B, heads, T, W / heads]
        attended = self.dropout((q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)) @ v
        return self.mixed(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """An LSTM (Hochreiter, Schmidhuber 1997) with attention over its outputs: [B, T width] -> [B, 2]."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.width, self.lstm = width, nn.LSTM(width, units, batch_first=True)
        self.weights, self.last = nn.Linear(units, 1), nn.Linear(units, 2)

    def forward(self, x: Tensor) -> Tensor:
        """The two logits."""
        seen, _ = self.lstm(x.view(len(x), -1, self.width))  # [B, T, units]
        return self.last((self.weights(seen).softmax(dim=1) * seen).sum(dim=1))  # type: ignore[no-any-return]


@torch.no_grad()
def initialised(network: nn.Module, generator: Generator) -> nn.Module:
    """Weights of linear layers and LSTMs from Xavier's normal law, biases 0; normalising layers at scale 1 and shift 0.

    The network may have been made on the device "meta", where nothing is drawn from torch's shared generator.
    """
    network = network.to_empty(device="cpu")
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.LSTM):
            for p in layer.parameters():
                nn.init.xavier_normal_(p, generator=generator) if p.ndim > 1 else p.zero_()
        elif isinstance(layer, nn.BatchNorm1d | nn.LayerNorm):
            layer.reset_parameters()
    return network
