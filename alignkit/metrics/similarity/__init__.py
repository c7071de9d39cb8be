"""How alike two sets of responses to the same stimuli are."""
