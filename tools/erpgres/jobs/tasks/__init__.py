"""Jobs in Python: each module has `run(task)`, which takes a `Task` and returns what to keep as the result (JSON)."""
