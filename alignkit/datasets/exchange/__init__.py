"""Files and objects of other toolboxes, read and written."""
