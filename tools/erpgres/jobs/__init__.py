"""What happens without a request: jobs, messages to people, notifications and webhooks."""

# What the kernel calls the worker.
WORKER = "erpgres-worker"
