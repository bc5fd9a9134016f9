"""Decisions from saved reports: whether a report meets a policy, is as it was written, and how reports compare."""
