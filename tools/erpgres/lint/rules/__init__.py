"""House rules on text: each module here is one rule, found by its file."""
