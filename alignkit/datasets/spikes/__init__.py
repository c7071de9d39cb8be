"""Spikes and calcium: rasters, spike times and NWB files as binned counts."""
