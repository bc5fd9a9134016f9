"""The statistics under the metrics: ROC curves, intervals, clustered variances, bounds on epsilon."""
