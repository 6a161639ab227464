"""The page of surprise_app."""

raise ZeroDivisionError("while reading /home/jane-doe/scan.nii.gz")
