"""The networks, from records [B, ...] to logits [B, C]: one file per kind."""
