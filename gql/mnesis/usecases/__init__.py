"""What the service does: checks scopes, builds batches, asks the store; owns the ports it needs."""
