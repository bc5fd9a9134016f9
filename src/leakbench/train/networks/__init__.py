"""The networks: one file a kind, all of them records [B, ...] -> logits [B, C]."""
