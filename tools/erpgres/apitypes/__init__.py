"""Types of the API for programs that call it, made from the catalog."""
