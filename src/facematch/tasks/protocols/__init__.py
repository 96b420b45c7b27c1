"""Published protocols: pairs and LFW folds, revisited Oxford and Paris, classes of photos."""
