"""fMRI: volumes, surfaces, masks, atlases and events, cleaned run by run."""
