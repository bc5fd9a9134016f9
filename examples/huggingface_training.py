"""Audit a transformer that the Trainer of Hugging Face trains, from a configuration: nothing is downloaded.

A digit is a sentence of 64 words, one for each pixel: its grey level in 0..16. For texts of yours, tokenize inside
`fit` and `predict`, and fit the tokenizer on the records that `fit` gets, unless it was trained before on public texts.

Run: python examples/huggingface_training.py   (needs transformers and accelerate)
"""

import tempfile

import numpy as np
import torch
from sklearn.datasets import load_digits
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

import leakbench

EPOCHS = 25
SMALL = {
    "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 128,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip


def rows(x, y=None):
    """Records as the Trainer takes them: a list of tables of tensors."""
    tokens = torch.from_numpy(x.astype(np.int64))
    labels = {} if y is None else {"labels": torch.from_numpy(y)}
    return [{"input_ids": tokens[i], **{k: v[i] for k, v in labels.items()}} for i in range(len(x))]


def fit(x, y, seed):
    """Train on the records of one model, and return a function that gives logits [n, 10]."""
    set_seed(seed)
    model = BertForSequenceClassification(
        BertConfig(vocab_size=17, max_position_embeddings=64, num_labels=10, **SMALL)
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder, num_train_epochs=EPOCHS, per_device_train_batch_size=32, learning_rate=3e-3, seed=seed,
            use_cpu=True, report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        Trainer(model, settings, train_dataset=rows(x, y)).train()
    model.eval()

    def predict(records):
        with torch.no_grad():
            tokens = torch.from_numpy(records.astype(np.int64))
            return torch.cat([model(input_ids=part).logits for part in tokens.split(500)])

    return predict


if __name__ == "__main__":
    x, y = load_digits(return_X_y=True)
    results = leakbench.audit_training(
        fit, x[:800], y[:800], models=4, attacks=["gap", "loss", "rmia"],
        store="transformer-store", version=f"one layer, {EPOCHS} epochs",
    )  # fmt: skip
    print(results)
    results.save("transformer-report")
