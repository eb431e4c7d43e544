"""The programs that `write_folder` puts beside the arrays: they need neither respike nor torch."""
