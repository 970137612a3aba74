"""The estimators of `fastgrad.sklearn`, and what lies between them and the training loop."""
