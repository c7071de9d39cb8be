"""MEG, EEG and intracranial recordings, read through MNE."""
