"""Networks that compute with spikes."""
